"""Expected quantiles of the rivals on made-up candles, by numpy and pandas. Run: python3 rivals.py > rivals.json

1000 daily candles with moving volatility. All of it is written out plainly, origin by origin, from whole arrays: nothing is updated.
"""
import json
import sys

import numpy as np
import pandas as pd

rng = np.random.default_rng(20261125)
N, H = 1000, 5
LEVELS = np.arange(1, 20) / 20
log_sigma = np.zeros(N)
for t in range(1, N):
    log_sigma[t] = 0.95 * log_sigma[t - 1] + 0.15 * rng.normal()
sigma = 0.03 * np.exp(log_sigma)
path = np.cumsum(sigma[:, None] / 5 * rng.standard_t(5, (N, 25)), axis=1)  # 25 trades a day
walk = np.concatenate([[0], np.cumsum(path[:-1, -1])])[:, None] + path
price = np.round(20000 * np.exp(np.column_stack([walk[:, 0] - path[:, 0], walk])), 2)
o, h, l, c = price[:, 0], price.max(axis=1), price.min(axis=1), price[:, -1]
o, c = np.clip(o, l, h), np.clip(c, l, h)
lp = np.log(c)
r = np.diff(lp, prepend=np.nan)


def moves(k, origin, first=60):
    """rows and k-step log returns that are known at the origin"""
    p = np.arange(first, origin - k + 1)
    return p, lp[p + k] - lp[p]


# variance by exponential weights: pandas' recursion, begun with the variance of the first sixty returns
begin = np.var(r[1:61])
ewma = pd.Series(np.concatenate([[begin], r[1:] ** 2])).ewm(alpha=0.06, adjust=False).mean().to_numpy()

variance = np.maximum(0.5 * np.log(h / l) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2, 1e-6)
log_v = pd.Series(np.log(variance))
inputs = np.column_stack([np.ones(N), log_v, log_v.rolling(5).mean(), log_v.rolling(22).mean()])


def har_volatility(k):
    """volatility of the k-step move as issued at each row"""
    issued = np.full(N, np.nan)
    label = np.log([variance[t + 1:t + k + 1].mean() if t + k < N else np.nan for t in range(N)])
    for row in range(400, N):
        if (row - 400) % 20 == 0:
            known = np.arange(30, row - k + 1)
            beta = np.linalg.lstsq(inputs[known], label[known], rcond=None)[0]
        issued[row] = np.sqrt(np.exp(inputs[row] @ beta) * k)
    return issued


har = {k: har_volatility(k) for k in range(1, H + 1)}
quantiles = lambda sample: np.quantile(sample, LEVELS)


def forecast(name, origin, k):
    p, y = moves(k, origin)
    if name == 'naive':
        return quantiles(y)
    if name in ('naive_365', 'naive_730'):
        return quantiles(y[-int(name[6:]):])
    if name == 'ewma':
        return quantiles(y / np.sqrt(ewma[p] * k)) * np.sqrt(ewma[origin] * k)
    scaled = quantiles((y / har[k][p])[p >= 400]) * har[k][origin]
    return scaled if name == 'har' else (scaled + quantiles(y[-730:])) / 2


def result(name, origins):
    q = np.array([[forecast(name, origin, k) for k in range(1, H + 1)] for origin in origins])
    return {'origins': origins, 'quantiles': q.round(12).reshape(len(origins), -1).tolist()}


early, late = [84, 150, 430, 700, 999], [424, 439, 440, 441, 800, 999]
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'pandas': pd.__version__},
    'horizon': H, 'levels': LEVELS.tolist(),
    'open': o.tolist(), 'high': h.tolist(), 'low': l.tolist(), 'close': c.tolist(),
    'rivals': {name: result(name, late if 'har' in name else early) for name in ('naive', 'naive_365', 'naive_730', 'ewma', 'har', 'har_730')},
}, sys.stdout, separators=(',', ':'))
print()
