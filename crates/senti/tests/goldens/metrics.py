"""Scores of a small made-up forecast, by scikit-learn and scoringrules. Run: python3 metrics.py > metrics.json

6 windows, 3 steps, 21 levels (the 19 of the product and the ends of a 95 % interval). One point and one price do not move.
"""
import json
import sys

import numpy as np
import scoringrules
import sklearn
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, mean_pinball_loss, mean_squared_error

rng = np.random.default_rng(11)
W, H = 6, 3
levels = np.sort(np.concatenate([np.arange(1, 20) / 20, [0.025, 0.975]]))
last = 50000 * np.exp(np.cumsum(rng.normal(0, 0.05, W)))
actual = last[:, None] * np.exp(np.cumsum(rng.normal(0, 0.03, (W, H)), axis=1))
point = last[:, None] * np.exp(rng.normal(0, 0.01, (W, H)))
point[2, 1] = last[2]
actual[4, 0] = last[4]
q = last[:, None, None] * np.exp(np.sort(rng.normal(0, 0.03, (W, H, len(levels))), axis=2))
naive_scale = 812.5


def interval(coverage, q):
    tail = (1 - coverage) / 2
    at = lambda a: int(np.argmin(np.abs(levels - a)))
    return q[..., at(tail)], q[..., at(1 - tail)]


def scores(a, p, q, last):
    moved = p != last
    pinballs = [mean_pinball_loss(a, q[..., i].ravel(), alpha=x) for i, x in enumerate(levels)]
    e = {
        'mse': mean_squared_error(a, p),
        'rmse': mean_squared_error(a, p) ** 0.5,
        'mae': mean_absolute_error(a, p),
        'mape': 100 * mean_absolute_percentage_error(a, p),
        'mase': mean_absolute_error(a, p) / naive_scale,
        'direction_accuracy': float(np.mean(np.sign(p - last)[moved] == np.sign(a - last)[moved])),
        'direction_n': float(moved.sum()),
        'direction_base_rate': float(np.mean(a > last)),
        'crps': float(np.mean(scoringrules.crps_quantile(a, q, levels))),
        'pinball': float(np.mean(pinballs)),
    }
    for c in (50, 80, 90, 95):
        low, high = interval(c / 100, q)
        e[f'coverage_{c}'] = float(np.mean((low <= a) & (a <= high)))
        if c in (80, 90):
            e[f'width_{c}'] = float(np.mean(high - low))
    low, high = interval(0.9, q)
    e['winkler_90'] = float(np.mean(scoringrules.interval_score(a, low, high, 0.1)))
    return {k: float(x) for k, x in e.items()}


every = np.repeat(last, H)
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'scikit-learn': sklearn.__version__, 'scoringrules': scoringrules.__version__},
    'levels': levels.tolist(), 'naive_scale': naive_scale, 'last_close': last.tolist(),
    'actual': actual.tolist(), 'point': point.tolist(), 'quantiles': q.reshape(W, -1).tolist(),
    'overall': scores(actual.ravel(), point.ravel(), q.reshape(W * H, -1), every),
    'steps': [scores(actual[:, h], point[:, h], q[:, h], last) for h in range(H)],
}, sys.stdout, separators=(',', ':'))
print()
