"""Tests and intervals by statsmodels, scipy and arch. Run: python3 significance.py > significance.json

Losses overlap as those of h-step forecasts do. Diebold-Mariano: the long-run variance is statsmodels' HAC covariance of a mean (uniform or
Bartlett weights), the correction and p value are from Harvey, Leybourne and Newbold's paper with scipy's Student t. The cautious test:
scipy's orthonormal DCT-II and adjusted skewness. Giacomini-White: the R2 of a statsmodels regression of 1, or its sandwich for a mean of two columns.
Clark-West: a statsmodels regression on a constant with HAC errors. Kupiec and Christoffersen: scipy's G tests. Pesaran-Timmermann: the
paper's formula in exact fractions. Model confidence set: arch, whose resampled positions are written out and used again by ours.
"""
import json
import sys
from fractions import Fraction
from math import sqrt

import arch
import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from arch.bootstrap import MCS
from scipy import fft, stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_uniform

rng = np.random.default_rng(5)
n, k = 90, 5
losses = np.abs(rng.normal(0, 1, (n, 1)) * 0.7 + rng.normal(0, 0.3, (n, k)) + [0, 0.02, 0.15, 0.2, 0.1]) + [0, 0, 0.03, 0.05, 0]
losses = np.vstack([losses[:2], (losses[2:] + losses[1:-1] + losses[:-2]) / 3])  # overlap
a, b = losses[:, 2], losses[:, 0]


def student(t, df):
    return float(2 * stats.t.sf(abs(t), df))


def diebold_mariano(first, second, m):
    d = first - second
    T = len(d)
    centred = (d - d.mean())[:, None]
    V = S_hac_simple(centred, nlags=m, weights_func=weights_uniform)[0, 0] / T
    kernel = 'rectangular'
    if V <= 0:
        V, kernel = S_hac_simple(centred, nlags=m)[0, 0] / T, 'bartlett'
    h = m + 1
    t = d.mean() / sqrt(V / T) * sqrt((T + 1 - 2 * h + h * (h - 1) / T) / T)
    return {'lags': m, 't': t, 'p': student(t, T - 1), 'kernel': kernel}


def cautious(first, second, m):
    d = first - second
    T = len(d)
    B = int(min(0.4 * T ** (2 / 3), T / (1.5 * (m + 1)), max(T / 50, 4)))
    L = max(m + 1, T // (2 * B))
    c = fft.dct(d - d.mean(), type=2, norm='ortho')[1:B + 1]
    t = sqrt(T) * d.mean() / sqrt(np.mean(c ** 2))
    N = T // L
    skew = float(stats.skew(d[:N * L].reshape(N, L).mean(1), bias=False))

    def above(t, g):
        g = min(g, 0) / sqrt(N)
        return float(max(stats.t.sf(t, B), stats.t.sf(t + g * t ** 2 / 3 + g ** 2 * t ** 3 / 27 + g / 6, B)))
    return {'lags': m, 'cosines': B, 't': t, 'skewness': skew, 'p_second_better': above(t, skew), 'p_first_better': above(-t, -skew)}


def giacomini_white(first, second, m):
    d = first - second
    z = np.column_stack([d[m + 1:], d[m + 1:] * d[:-m - 1]])
    T = len(z)
    if m == 0:
        s = T * sm.OLS(np.ones(T), z).fit().rsquared
    else:
        omega = S_hac_simple(z - z.mean(0), nlags=m) / T
        s = T * z.mean(0) @ np.linalg.solve(omega, z.mean(0))
    return {'lags': m, 'statistic': float(s), 'p': float(stats.chi2.sf(s, 2))}


long = np.round(0.1 - rng.gamma(0.5, 1, 420) + 0.5, 4)
y = rng.normal(0, 1, n)
large = 0.2 * y + rng.normal(0, 0.4, n)
small = rng.normal(0, 0.05, n)


def clark_west(m):
    f = (y - small) ** 2 - ((y - large) ** 2 - (small - large) ** 2)
    r = sm.OLS(f, np.ones(n)).fit(cov_type='HAC', cov_kwds={'maxlags': m, 'use_correction': False})
    return {'lags': m, 't': float(r.tvalues[0]), 'p': float(stats.norm.sf(r.tvalues[0]))}


def kupiec(x, T, rate):
    s = stats.power_divergence([x, T - x], [T * rate, T * (1 - rate)], lambda_='log-likelihood').statistic
    return {'misses': x, 'n': T, 'rate': rate, 'statistic': float(s), 'p': float(stats.chi2.sf(s, 1))}


missed = (rng.random(120) < np.where(np.arange(120) // 15 % 3 == 0, 0.5, 0.04)).astype(int)
table = np.zeros((2, 2))
for u, v in zip(missed, missed[1:]):
    table[u, v] += 1
g = stats.chi2_contingency(table, correction=False, lambda_='log-likelihood')

said = rng.random(60) < 0.6
came = np.where(rng.random(60) < 0.65, said, ~said)


def pesaran_timmermann(said, came):
    N = len(said)
    F = lambda v: Fraction(int(v.sum()), N)
    P, X, Y = F(said == came), F(said), F(came)
    star = Y * X + (1 - Y) * (1 - X)
    vP = star * (1 - star) / N
    vS = ((2 * Y - 1) ** 2 * X * (1 - X) + (2 * X - 1) ** 2 * Y * (1 - Y)) / N + 4 * Y * X * (1 - Y) * (1 - X) / N ** 2
    s = float(P - star) / sqrt(float(vP - vS))
    return {'statistic': s, 'p': float(stats.norm.sf(s))}


shares = rng.multinomial(400, np.full(20, 0.05)) / 400
pearson = stats.chisquare(shares * 150, np.full(20, 7.5))
joined = shares.reshape(5, 4).sum(1)
few = stats.chisquare(joined * 26, np.full(5, 5.2))

sets = []
for method in ('R', 'max'):
    m = MCS(losses, size=0.1, reps=60, block_size=4, method=method, seed=1)
    m.compute()
    sets.append({'method': method, 'model': [int(i) for i in m.pvalues.index], 'p': [float(p) for p in m.pvalues.Pvalue],
                 'positions': [[int(i) for i in row] for row in m._bootstrap_indices]})
assert sets[0]['positions'] == sets[1]['positions']
positions = sets[0].pop('positions')
sets[1].pop('positions')

returns = rng.standard_t(4, 250) * 0.01 + 0.0005
# scipy's moments are the biased ones, as Bailey and Lopez de Prado use
sharpe = {'returns': returns.tolist(), 'sharpe': float(returns.mean() / returns.std(ddof=1)), 'skewness': float(stats.skew(returns)),
          'kurtosis': float(stats.kurtosis(returns, fisher=False))}

walk = np.array([1.1, -0.9] * 12 + [0.4])
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'scipy': scipy.__version__, 'statsmodels': statsmodels.__version__, 'arch': arch.__version__},
    'losses': losses.tolist(), 'alternating': walk.tolist(),
    'diebold_mariano': [diebold_mariano(a, b, m) for m in (0, 2, 4, 9)],
    'diebold_mariano_alternating': diebold_mariano(walk, 0 * walk, 1),
    'cautious': [cautious(a, b, m) for m in (0, 2, 9)], 'long': long.tolist(), 'cautious_long': [cautious(long, 0 * long, m) for m in (0, 4, 39)],
    'giacomini_white': [giacomini_white(a, b, m) for m in (0, 2, 5)],
    'y': y.tolist(), 'small': small.tolist(), 'large': large.tolist(), 'clark_west': [clark_west(m) for m in (0, 3)],
    'kupiec': [kupiec(*x) for x in ((13, 100, 0.1), (25, 100, 0.1), (0, 50, 0.2), (4, 4, 0.5))],
    'missed': missed.tolist(), 'christoffersen': {'statistic': float(g.statistic), 'p': float(g.pvalue)},
    'said': said.tolist(), 'came': came.tolist(), 'pesaran_timmermann': pesaran_timmermann(said, came),
    'shares': shares.tolist(), 'uniformity_150': {'statistic': float(pearson.statistic), 'p': float(pearson.pvalue)},
    'uniformity_26': {'statistic': float(few.statistic), 'p': float(few.pvalue)},
    'wilson': [{'share': x / T, 'n': T, 'interval': list(map(float, proportion_confint(x, T, 0.05, 'wilson')))} for x, T in ((15, 20), (0, 30), (30, 30), (17.3, 36.7))],
    'student': [{'t': t, 'df': df, 'p': student(t, df)} for t, df in ((0.0, 7), (1.3, 3), (2.6068, 159), (-4.5, 1099), (9.0, 160), (31.0, 40))],
    'chi_squared': [{'x': x, 'df': df, 'p': float(stats.chi2.sf(x, df))} for x, df in ((0.3, 1), (5.99, 2), (30.1, 19), (60.0, 2))],
    'positions': positions, 'sets': sets, 'sharpe': sharpe,
}, sys.stdout, separators=(',', ':'))
print()
