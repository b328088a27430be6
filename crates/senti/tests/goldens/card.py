"""The report card of a small made-up backtest, by scikit-learn, scoringrules, scipy, statsmodels and pandas. Run: python3 card.py > card.json

90 daily origins, 4 steps, 19 levels; `naive`, `har_730` and a `model` that knows a little of the coming move.
"""
import json
import sys
from math import sqrt

import numpy as np
import pandas as pd
import scipy
import scoringrules
import sklearn
import statsmodels
import statsmodels.api as sm
from scipy import fft, stats
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, mean_pinball_loss, mean_squared_error, r2_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_uniform

rng = np.random.default_rng(21)
n, H = 90, 4
levels = np.arange(1, 20) / 20
mean_move = 431.25
known = rng.normal(0, 0.01, n + H)
price = 30000 * np.exp(np.cumsum(known + rng.standard_t(5, n + H) * 0.02))
last = price[:n]
actual = np.column_stack([price[h:n + h] for h in range(1, H + 1)])
ahead = np.column_stack([known[h:n + h] for h in range(1, H + 1)]).cumsum(1)
z = stats.t.ppf(levels, 5)
width = 0.02 * np.sqrt(np.arange(1, H + 1))


def price_of(logs):
    return last[:, None] * np.exp(logs)


def quantiles(centre, scale):
    return last[:, None, None] * np.exp(centre[:, :, None] + scale[:, :, None] * z)


still = np.zeros((n, H))
tracks = {
    'naive': (price_of(still), quantiles(still, still + 1.1 * width)),
    'har_730': (price_of(still), quantiles(still, width * np.exp(rng.normal(0, 0.1, (n, 1))))),
    'model': (price_of(0.6 * ahead + rng.normal(0, 0.003, (n, H))), quantiles(0.6 * ahead, still + 0.95 * width)),
}
tracks['model'][0][5, 0] = last[5]  # one that does not move


def hac(centred, m, uniform):
    return S_hac_simple(centred[:, None], nlags=m, weights_func=weights_uniform)[0, 0] if uniform else S_hac_simple(centred[:, None], nlags=m)[0, 0]


def dm(reference, model, m):
    d = reference - model
    T = len(d)
    V = hac(d - d.mean(), m, True) / T
    if V <= 0:
        V = hac(d - d.mean(), m, False) / T
    h = m + 1
    t = d.mean() / sqrt(V / T) * sqrt((T + 1 - 2 * h + h * (h - 1) / T) / T)
    B = int(min(0.4 * T ** (2 / 3), T / (1.5 * (m + 1)), max(T / 50, 4)))
    L = max(m + 1, T // (2 * B))
    c = fft.dct(d - d.mean(), type=2, norm='ortho')[1:B + 1]
    careful = sqrt(T) * d.mean() / sqrt(np.mean(c ** 2))
    N = T // L
    g = min(stats.skew(d[:N * L].reshape(N, L).mean(1), bias=False), 0) / sqrt(N)
    straight = careful + g * careful ** 2 / 3 + g ** 2 * careful ** 3 / 27 + g / 6
    return {'t': t, 'p': 2 * stats.t.sf(abs(t), T - 1), 'p_better': stats.t.sf(t, T - 1), 'p_worse': stats.t.cdf(t, T - 1), 'p_better_cautious': max(stats.t.sf(careful, B), stats.t.sf(straight, B))}


def gw(reference, model, m):
    d = reference - model
    x = np.column_stack([d[m + 1:], d[m + 1:] * d[:-m - 1]])
    T = len(x)
    if m == 0:
        s = T * sm.OLS(np.ones(T), x).fit().rsquared
    else:
        s = T * x.mean(0) @ np.linalg.solve(S_hac_simple(x - x.mean(0), nlags=m) / T, x.mean(0))
    return {'statistic': s, 'p': stats.chi2.sf(s, 2)}


def crps(y, q):
    return scoringrules.crps_quantile(y, q, levels)


log_actual = np.log(actual / last[:, None])
log_q = {k: np.log(q / last[:, None, None]) for k, (_, q) in tracks.items()}
loss = {k: crps(log_actual, q) for k, q in log_q.items()}
cards = {k: [] for k in tracks}
for name in ('1', '3', '4', 'all'):
    hs = slice(None) if name == 'all' else slice(int(name) - 1, int(name))
    step = H if name == 'all' else int(name)
    m, independent = step - 1, n / step
    a, y = actual[:, hs], log_actual[:, hs]
    c = np.broadcast_to(last[:, None], a.shape)
    for k, (point, q) in tracks.items():
        p, q, lq = point[:, hs], q[:, hs], log_q[k][:, hs]
        lp = np.log(p / c)
        e = {
            'name': name,
            'point': {
                'mae_price': mean_absolute_error(a.ravel(), p.ravel()), 'rmse_price': sqrt(mean_squared_error(a.ravel(), p.ravel())),
                'mape': 100 * mean_absolute_percentage_error(a.ravel(), p.ravel()),
                'mase': mean_absolute_error(a.ravel(), p.ravel()) / mean_move, 'rmsse': sqrt(mean_squared_error(a.ravel(), p.ravel())) / mean_move,
                'mae_log': mean_absolute_error(y.ravel(), lp.ravel()), 'rmse_log': sqrt(mean_squared_error(y.ravel(), lp.ravel())),
                'relative_mae': mean_absolute_error(y.ravel(), lp.ravel()) / mean_absolute_error(y.ravel(), 0 * y.ravel()),
                'relative_mae_price': mean_absolute_error(a.ravel(), p.ravel()) / mean_absolute_error(a.ravel(), c.ravel()),
                # doubling the sample around 0 makes scikit-learn's mean 0
                'r2_out_of_sample': r2_score(np.concatenate([y.ravel(), -y.ravel()]), np.concatenate([lp.ravel(), -lp.ravel()])),
            },
            'distribution': {
                'crps_log': np.mean(crps(y, lq)), 'crps_price': np.mean(crps(a, q)),
                'pinball_log': [mean_pinball_loss(y.ravel(), lq[..., i].ravel(), alpha=x) for i, x in enumerate(levels)],
                'pinball_price': [mean_pinball_loss(a.ravel(), q[..., i].ravel(), alpha=x) for i, x in enumerate(levels)],
                'share_below': [np.mean(a <= q[..., i]) for i in range(19)],
                'intervals': [],
                'pit': [float(x) for x in np.histogram([np.sum(u < v) for u, v in zip(q.reshape(-1, 19), a.ravel())], bins=np.arange(21) - 0.5)[0] / a.size],
            },
        }
        for nominal, low, high in ((0.5, 4, 14), (0.8, 1, 17), (0.9, 0, 18)):
            inside = (q[..., low] <= a) & (a <= q[..., high])
            lo, hi = proportion_confint(inside.mean() * independent, independent, 0.05, 'wilson')
            i = {
                'nominal': nominal, 'coverage': inside.mean(), 'coverage_low': max(lo, 0), 'coverage_high': min(hi, 1),
                'width_log': np.mean(lq[..., high] - lq[..., low]), 'width_price': np.mean(q[..., high] - q[..., low]),
                'winkler_log': np.mean(scoringrules.interval_score(y, lq[..., low], lq[..., high], 1 - nominal)),
                'winkler_price': np.mean(scoringrules.interval_score(a, q[..., low], q[..., high], 1 - nominal)),
            }
            if name != 'all':
                miss = ~inside[::step, 0]
                T, x = len(miss), int(miss.sum())
                g = stats.power_divergence([x, T - x], [T * (1 - nominal), T * nominal], lambda_='log-likelihood').statistic
                i['kupiec_p'] = stats.chi2.sf(g, 1)
                table = pd.crosstab(miss[:-1], miss[1:]).to_numpy()
                i['christoffersen_p'] = stats.chi2_contingency(table, correction=False, lambda_='log-likelihood').pvalue if table.shape == (2, 2) else None
            e['distribution']['intervals'].append(i)
        moved = np.abs(p / c - 1) > 1e-6
        if moved.any():
            right = ((p > c) == (a > c))[moved].mean()
            lo, hi = proportion_confint(right * independent * moved.mean(), independent * moved.mean(), 0.05, 'wilson')
            e['direction'] = {'n': int(moved.sum()), 'accuracy': right, 'low': lo, 'high': hi, 'up': np.mean(a > c), 'base_rate': max(np.mean(a > c), 1 - np.mean(a > c))}
        if k != 'naive':
            e['against_last_close'] = dm(np.abs(y).mean(1), np.abs(y - lp).mean(1), m) if moved.any() else {'t': 0, 'p': 1}
        for which, ref in (('against_naive', 'naive'), ('against_yardstick', 'har_730')):
            if k == ref:
                continue
            mine, theirs = loss[k][:, hs].mean(1), loss[ref][:, hs].mean(1)
            e[which] = {'skill': 1 - mine.mean() / theirs.mean(), 'reference_crps_log': theirs.mean(), 'diebold_mariano': dm(theirs, mine, m), 'giacomini_white': gw(theirs, mine, m)}
        if k == 'model' and name != 'all':
            f = y[:, 0] ** 2 - ((y[:, 0] - lp[:, 0]) ** 2 - lp[:, 0] ** 2)
            r = sm.OLS(f, np.ones(n)).fit(cov_type='HAC', cov_kwds={'maxlags': m, 'use_correction': False})
            e['clark_west'] = {'t': r.tvalues[0], 'p_better': stats.norm.sf(r.tvalues[0])}
        cards[k].append(e)

# Holm over both models and the four rows against naive, of the larger one-sided p value
every = [e['against_naive']['diebold_mariano'] for k in ('har_730', 'model') for e in cards[k]]
for test, p in zip(every, multipletests([max(t['p_better'], t['p_better_cautious']) for t in every], method='holm')[1]):
    test['p_holm'] = p
for row in range(4):
    pair = [cards[k][row]['against_naive']['diebold_mariano'] for k in ('har_730', 'model')]
    for test, p in zip(pair, multipletests([t['p'] for t in pair], method='holm')[1]):
        test['p_holm_horizon'] = p

json.dump({
    'versions': {'python': sys.version.split()[0], **{x.__name__: x.__version__ for x in (np, scipy, statsmodels, sklearn, scoringrules, pd)}},
    'levels': levels.tolist(), 'mean_move': mean_move, 'last_close': last.tolist(), 'actual': actual.ravel().tolist(),
    # the points of naive and har_730 are the last closes
    'point': tracks['model'][0].ravel().tolist(),
    # log quantiles are centre + scale * z; the centre of naive and har_730 is 0
    'centre': (0.6 * ahead).ravel().tolist(), 'z': z.tolist(), 'width': width.tolist(),
    'scale': {'naive': (still + 1.1 * width).ravel().tolist(), 'model': (still + 0.95 * width).ravel().tolist(),
              'har_730': ((log_q['har_730'][:, :, 18] - log_q['har_730'][:, :, 0]) / (z[18] - z[0])).ravel().tolist()},
    'models': cards,
}, sys.stdout, separators=(',', ':'), default=float)
print()
