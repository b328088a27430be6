"""Fits of the rivals that have parameters, by statsmodels, statsforecast and arch. Run: python3 rivals_fits.py > rivals_fits.json

Two series of 191 values (a random walk, and a trend with noise that wants smoothing) and 1500 returns of moving volatility.
"""
import json
import sys
import warnings

import arch
import numpy as np
import statsforecast
import statsmodels
from arch import arch_model
from scipy.optimize import minimize
from statsforecast.models import RandomWalkWithDrift, SeasonalNaive, WindowAverage
from statsmodels.tsa.ar_model import AutoReg, ar_select_order
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel

warnings.simplefilter('ignore')
rng = np.random.default_rng(77)
N, H = 191, 5
walk = np.cumsum(np.concatenate([[0], 0.03 * rng.standard_t(4, N - 1)]))
slope = 0.01 + np.cumsum(0.002 * rng.normal(size=N))
noisy = np.cumsum(slope) + np.cumsum(0.02 * rng.normal(size=N)) + 0.08 * rng.normal(size=N)
noisy -= noisy[0]
e = np.zeros(N)
for t in range(3, N):
    e[t] = 0.4 * e[t - 1] - 0.3 * e[t - 3] + 0.03 * rng.normal()
moody = np.cumsum(e)
series = {name: x.round(6) for name, x in (('walk', walk), ('noisy', noisy), ('moody', moody))}


def ets(x, trend, damped):
    """statsmodels, polished: its own search may stop early"""
    model = ETSModel(x, error='add', trend=trend, damped_trend=damped, bounds={'smoothing_level': (1e-4, .9999)})
    fit = model.fit(disp=False, maxiter=5000)
    sse = lambda fit: float(np.sum(fit.resid ** 2))
    best = fit
    names = list(model.param_names)
    low = {'smoothing_level': 1e-4, 'smoothing_trend': 1e-4, 'damping_trend': 0.8}
    high = {'smoothing_level': 0.9999, 'smoothing_trend': 0.9999, 'damping_trend': 0.98}

    def cost(p):
        d = dict(zip(names, p))
        if any(not low[k] <= d[k] <= high[k] for k in low if k in d) or d.get('smoothing_trend', 0) > d['smoothing_level']:
            return 1e9
        return sse(model.smooth(p))
    p = np.asarray(fit.params)
    for _ in range(6):
        p = minimize(cost, p, method='Nelder-Mead', options={'maxiter': 20000, 'maxfev': 20000, 'xatol': 1e-10, 'fatol': 1e-14}).x
    best = model.smooth(p)
    d = dict(zip(names, map(float, p)))
    k = len(p) + 1
    return {
        'alpha': d['smoothing_level'], 'beta': d.get('smoothing_trend', 0.0), 'phi': d.get('damping_trend', 1.0 if trend else 0.0),
        'level': d['initial_level'], 'slope': d.get('initial_trend', 0.0), 'squares': sse(best), 'first_squares': sse(fit),
        'aicc': float(-2 * best.llf + 2 * k * N / (N - k - 1)), 'forecast': best.forecast(H).tolist(),
    }


def theta(x):
    fit = ThetaModel(x, deseasonalize=False).fit()
    return {'alpha': float(fit.params['alpha']), 'slope': float(fit.params['b0']), 'forecast': fit.forecast(H).tolist()}


def ar(x):
    chosen = ar_select_order(x, 8, ic='aic', trend='c').ar_lags
    lags = len(chosen) if chosen else 0
    fit = AutoReg(x, lags, trend='c', hold_back=8).fit()
    return {'order': lags, 'forecast': fit.forecast(H).tolist()}


def point(model, x):
    return model.forecast(y=x, h=H)['mean'].tolist()


def simulate(n, omega, alpha, beta, nu):
    r, v = np.zeros(n), omega / (1 - alpha - beta)
    for t in range(n):
        r[t] = np.sqrt(v) * rng.standard_t(nu) * np.sqrt((nu - 2) / nu)
        v = omega + alpha * r[t] ** 2 + beta * v
    return r.round(6)


returns = simulate(1500, 2e-5, 0.09, 0.89, 4.5)
model = arch_model(returns * 100, mean='Zero', vol='GARCH', p=1, q=1, dist='t', rescale=False)
fit = model.fit(disp='off', tol=1e-12)
omega, alpha, beta, nu = (float(x) for x in fit.params)
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'statsmodels': statsmodels.__version__, 'statsforecast': statsforecast.__version__, 'arch': arch.__version__},
    'series': {name: {
        'values': x.tolist(),
        'ets': [ets(x, None, False), ets(x, 'add', False), ets(x, 'add', True)],
        'theta': theta(x), 'ar': ar(x),
        'drift': point(RandomWalkWithDrift(), x),
        'seasonal_naive': point(SeasonalNaive(7), x),
        # of prices
        'moving_average': np.log(point(WindowAverage(7), np.exp(x))).tolist(),
    } for name, x in series.items()},
    'garch': {
        'returns': returns.tolist(), 'omega': omega / 1e4, 'alpha': alpha, 'beta': beta, 'freedom': nu,
        'log_likelihood': float(fit.loglikelihood + len(returns) * np.log(100)),
        'variances': (fit.forecast(horizon=H).variance.to_numpy()[-1] / 1e4).tolist(),
    },
}, sys.stdout, separators=(',', ':'))
print()
