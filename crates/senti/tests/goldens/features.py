"""Expected values of the features from candles, by pandas and TA-Lib. Run: python3 features.py > features.json

Needs numpy, pandas and TA-Lib from PyPI; their versions are written into the file.
"""
import json
import sys

import numpy as np
import pandas as pd
import talib

rng = np.random.default_rng(20261123)
n = 100
close = 30000 * np.exp(np.cumsum(rng.standard_t(4, n) * 0.02))
open_ = np.concatenate([[close[0] * 1.01], close[:-1]])
high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.01, n)))
low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.01, n)))
volume = np.exp(rng.normal(8, 0.5, n))
# A flat stretch without trades, as a filled gap leaves it.
for t in (60, 61, 62):
    close[t] = open_[t] = high[t] = low[t] = close[59]
    volume[t] = 0
open_[63] = close[62]
high[63], low[63] = max(high[63], open_[63]), min(low[63], open_[63])
o, h, l, c = (np.round(x, 2) for x in (open_, high, low, close))
v = np.round(volume, 3)
hour = 3_600_000
time = 1_514_764_800_000 + 7 * hour * np.arange(n)  # every seven hours, so that days and hours both turn

C, V = pd.Series(c), pd.Series(v)
r = np.log(C / C.shift(1))
still = 1e-5
logv = lambda x: np.log(np.maximum(np.asarray(x, float), still))
macd, signal, hist = talib.MACD(c, 12, 26, 9)
# TA-Lib's MACD gives its line only where the signal exists; the line itself is the same from row 25 on with a signal of one row.
line, _, _ = talib.MACD(c, 12, 26, 1)
upper, middle, lower = talib.BBANDS(c, 20, 2.0, 2.0, 0)
when = pd.to_datetime(time, unit='ms')
turn = 2 * np.pi * when.day_of_week / 7
day = 2 * np.pi * (when.hour + when.minute / 60) / 24
with np.errstate(divide='ignore', invalid='ignore'):
    features = {
        **{f'log_return_{k}': np.log(C / C.shift(k)) for k in (1, 3, 7, 14, 30)},
        'close_location': np.where(h > l, (c - l) / np.where(h > l, h - l, 1), 0.5),
        'log_parkinson': logv(np.sqrt(np.log(h / l) ** 2 / (4 * np.log(2)))),
        'log_garman_klass': logv(np.sqrt(0.5 * np.log(h / l) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2)),
        'log_volatility_7': logv(r.rolling(7).std()),
        'log_volatility_30': logv(r.rolling(30).std()),
        'log_volatility_ewma': logv(np.sqrt((r ** 2).ewm(alpha=0.06, adjust=True, min_periods=30).mean())),
        'log_atr_14': logv(talib.ATR(h, l, c, 14) / c),
        'close_to_ma7': np.log(C / C.rolling(7).mean()),
        'close_to_ma30': np.log(C / C.rolling(30).mean()),
        'macd': line / c,
        'macd_histogram': hist / c,
        'rsi_14': talib.RSI(c, 14),
        'bollinger_position': (c - lower) / (upper - lower),
        'volume_change': np.log(V / V.shift(1)).where((V > 0) & (V.shift(1) > 0), 0.0).mask(V.shift(1).isna()),
        'volume_to_ma30': np.log1p(V / V.rolling(30).mean()),
        'weekday_sin': np.sin(turn),
        'weekday_cos': np.cos(turn),
        'hour_sin': np.sin(day),
        'hour_cos': np.cos(day),
    }
plain = lambda x: [None if np.isnan(y) else float(y) for y in np.asarray(x, float)]
json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__, 'pandas': pd.__version__, 'TA-Lib': talib.__version__},
    'candles': {'time': [int(t) for t in time], 'open': plain(o), 'high': plain(h), 'low': plain(l), 'close': plain(c), 'volume': plain(v)},
    'features': {k: plain(x) for k, x in features.items()},
    'ema_12': plain(talib.EMA(c, 12)),
    'macd_signal': plain(signal),
}, sys.stdout, separators=(',', ':'))
print()
