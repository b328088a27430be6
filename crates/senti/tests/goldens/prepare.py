"""Winsor bounds, centres and scales, by NumPy and scikit-learn. Run: python3 prepare.py > prepare.json

Columns on which the quartiles coincide (`dummy`, `constant`) are here too: scikit-learn scales them by 1. The expected rows of the
dummy are those of RobustScaler without winsorisation, which would leave one value only.
"""
import json
import sys

import numpy as np
import sklearn
from sklearn.preprocessing import RobustScaler

rng = np.random.default_rng(7)
n = 101
columns = {
    'normal': rng.normal(0.001, 0.03, n),
    'heavy_tails': rng.standard_t(2, n) * 100 + 5,
    'level': np.cumsum(rng.normal(0, 500, n)) + 60000,
    'few_values': rng.integers(0, 4, n).astype(float),
    'dummy': (np.arange(n) % 7 == 3).astype(float),
    'constant': np.full(n, 3.25),
}
fresh = {k: np.concatenate([x[:5], [x.min() - 1, x.max() + 1, np.median(x)]]) for k, x in columns.items()}
out = {}
for name, x in columns.items():
    q1, q3 = np.quantile(x, [0.25, 0.75])
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    if name == 'dummy':
        low, high = 0.0, 1.0
    w = np.clip(x, low, high)
    scaler = RobustScaler().fit(w[:, None])
    out[name] = {
        'training': x.tolist(),
        'low': float(low), 'high': float(high), 'centre': float(scaler.center_[0]), 'scale': float(scaler.scale_[0]),
        'fresh': fresh[name].tolist(),
        'scaled': scaler.transform(np.clip(fresh[name], low, high)[:, None])[:, 0].tolist(),
    }
sample = np.sort(rng.normal(size=10))
levels = [0.0, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.6, 0.75, 0.95, 1.0]
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'scikit-learn': sklearn.__version__},
    'columns': out,
    'quantiles': {'sample': sample.tolist(), 'levels': levels, 'values': np.quantile(sample, levels).tolist()},
}, sys.stdout, separators=(',', ':'))
print()
