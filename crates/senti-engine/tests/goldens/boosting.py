"""Pinball losses of boosted quantile trees by scikit-learn and LightGBM on made-up rows. Run: python3 boosting.py > boosting.json

900 rows to learn from, 300 to stop by, 600 to score. The second feature moves the target, the first and third its spread, the fourth nothing.
"""
import json
import sys

import lightgbm
import numpy as np
import sklearn
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_pinball_loss

rng = np.random.default_rng(5)
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
n = 1800
x = rng.integers(0, 100, (n, 4)) / 100
spread = 0.3 + x[:, 0] + (x[:, 2] > 0.7)
y = (np.sin(4 * x[:, 1]) + spread * 0.5 * rng.standard_t(5, n)).round(3)
parts = {'train': slice(0, 900), 'valid': slice(900, 1200), 'test': slice(1200, n)}
a, v, t = parts.values()


def losses(predict):
    return [float(mean_pinball_loss(y[t], predict(level), alpha=level)) for level in LEVELS]


def by_sklearn(level):
    best = None
    fit = GradientBoostingRegressor(loss='quantile', alpha=level, n_estimators=300, max_depth=3, learning_rate=0.1, subsample=0.5, min_samples_leaf=20, random_state=1).fit(x[a], y[a])
    valid = [mean_pinball_loss(y[v], q, alpha=level) for q in fit.staged_predict(x[v])]
    return list(fit.staged_predict(x[t]))[int(np.argmin(valid))]


def by_lightgbm(level):
    fit = lightgbm.LGBMRegressor(objective='quantile', alpha=level, n_estimators=300, max_depth=3, num_leaves=8, learning_rate=0.1, bagging_fraction=0.5, bagging_freq=1, min_child_samples=20, verbose=-1, random_state=1)
    fit.fit(x[a], y[a], eval_set=[(x[v], y[v])], eval_metric='quantile', callbacks=[lightgbm.early_stopping(30, verbose=False)])
    return fit.predict(x[t])


json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'scikit-learn': sklearn.__version__, 'lightgbm': lightgbm.__version__},
    'levels': LEVELS, 'features': x.ravel().tolist(), 'target': y.tolist(),
    'constant': losses(lambda level: np.full(600, np.quantile(y[a], level))),
    'scikit_learn': losses(by_sklearn), 'lightgbm': losses(by_lightgbm),
    # of the very density the targets are drawn from
    'truth': losses(lambda level: np.sin(4 * x[t, 1]) + spread[t] * 0.5 * np.quantile(np.random.default_rng(0).standard_t(5, 1_000_000), level)),
}, sys.stdout, separators=(',', ':'))
print()
