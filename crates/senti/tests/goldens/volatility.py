"""Expected moves on made-up candles, by numpy alone. Run: python3 volatility.py > volatility.json

Three markets whose candles are drawn here: days with a calm weekend, the closes of the same, and hours with a calm night and weekend.
Everything is written out plainly, row by row, from the formulas at the head of `volatility.rs`. The regressions are minimised by Newton
steps with a line search, begun at the prior alone, until the gradient vanishes.
"""
import json
import sys

import numpy as np

H = 5
DAY = 86_400_000
HOUR = DAY // 24
PRIOR = np.array([0, .3, .3, .3, 0, 0, 0, 0])
RIDGE = np.array([0, 10, 10, 10, 100, 100, 100, 100.])
FIRST = 70


def draw(rng, sigma, begin):
    """candles of a walk with this volatility, 20 trades a candle, fat tails; some open with a jump, prices have two decimals"""
    n = len(sigma)
    trades = np.cumsum(sigma[:, None] / np.sqrt(20) * rng.standard_t(4, (n, 20)) / np.sqrt(2), axis=1)
    jump = np.where(rng.random(n) < .1, .3 * sigma * rng.normal(size=n), 0)
    start = np.concatenate([[0], np.cumsum(trades[:, -1] + jump)[:-1]]) + jump
    price = np.round(begin * np.exp(np.column_stack([start, start[:, None] + trades])), 2)
    return {'open': price[:, 0], 'high': price.max(axis=1), 'low': price.min(axis=1), 'close': price[:, -1]}


def wander(rng, n):
    log = np.zeros(n)
    for t in range(1, n):
        log[t] = .97 * log[t - 1] + .12 * rng.normal()
    return np.exp(log)


class Market:
    def __init__(self, candles, time, seasons):
        self.candles, self.time, self.n = candles, time, len(time)
        self.seasons = seasons  # [(class of every row, number of classes, rows of a season)]
        self.close = candles['close']
        self.lc = np.log(self.close)
        self.r = np.diff(self.lc, prepend=self.lc[0])


def season_factors(market, classes, k, period, last):
    """variance factor of each class, from the rows up to `last`"""
    n = last + 1
    half = int(np.ceil(1.5 * period))
    if n < max(6 * period, 2 * half + 2):
        return np.ones(k)
    x = np.abs(market.r[:n])
    rows = np.arange(max(half, n - half - 104 * period), n - half)
    d = np.array([min(x[t] / max(x[t - half:t + half + 1].mean(), 1e-12), 5) for t in rows])
    c = classes[rows]
    present = [j for j in range(k) if np.any(c == j)]
    mean = {j: d[c == j].mean() for j in present}
    count = {j: np.sum(c == j) for j in present}
    grand = d.mean()
    between = sum(count[j] * (mean[j] - grand) ** 2 for j in present)
    within = sum(np.sum((d[c == j] - mean[j]) ** 2) for j in present) / max(len(rows) - len(present), 1)
    share = max(0, 1 - (len(present) - 1) * within / max(between, 1e-12))  # James and Stein
    log = np.zeros(k)
    for j in present:
        log[j] = 2 * np.log(max(1 + share * (mean[j] / grand - 1), .1))
    return np.exp(log - sum(count[j] * log[j] for j in present) / len(rows))


def regressors(market, season):
    """(n, 8) from each row's past; `season` is the variance factor of every row"""
    k, n = market.candles, market.n
    if 'open' in k:
        v = .5 * np.log(k['high'] / k['low']) ** 2 - (2 * np.log(2) - 1) * np.log(k['close'] / k['open']) ** 2
        v, high, low = np.maximum(v, 0), k['high'], k['low']
    else:
        v, high, low = market.r ** 2, market.close, market.close
    back = lambda row, w: slice(max(0, row + 1 - w), row + 1)
    v = np.array([max(v[t], .05 * v[back(t, 22)].mean() + 1e-12) for t in range(n)])
    g = .5 * np.log(v / season)
    before = np.concatenate([[market.close[0]], market.close[:-1]])
    high, low = np.log(np.maximum(high, before)), np.log(np.minimum(low, before))
    out = np.ones((n, 8))
    for t in range(n):
        month = g[back(t, 22)].mean()
        unit = np.exp(month)
        reach = [np.log(max(high[back(t, w)].max() - low[back(t, w)].min(), .05 * unit * w ** .5) / (1.67 * w ** .5)) - month for w in (5, 22, 66)]
        move = (market.lc[t] - market.lc[t - 5]) / (5 ** .5 * unit) if t >= 5 else 0
        out[t, 1:] = [g[t], g[back(t, 5)].mean(), month, *reach, np.clip(move, -3, 3)]
    return out


def minimise(x, size, h):
    """argmin of sum (x b + size exp(-x b)) / h + half the ridge"""
    def loss(b):
        return np.sum(x @ b + size * np.exp(-(x @ b))) / h + .5 * np.sum(RIDGE * (b - PRIOR) ** 2)

    b = PRIOR.copy()
    for _ in range(500):
        u = size * np.exp(-(x @ b))
        gradient = x.T @ (1 - u) / h + RIDGE * (b - PRIOR)
        step = np.linalg.solve((x * u[:, None]).T @ x / h + np.diag(RIDGE), gradient)
        share = 1.
        while loss(b - share * step) > loss(b) - .25 * share * gradient @ step and share > 1e-6 and np.abs(step).max() > 1e-9:
            share /= 2
        b = b - share * step
        if np.abs(step).max() < 1e-14:
            break
    assert np.abs(x.T @ (1 - size * np.exp(-(x @ b))) / h + RIDGE * (b - PRIOR)).max() < 1e-9
    return b


def learn(market, last):
    """from the rows up to `last`"""
    factors = [season_factors(market, classes, k, period, last) for classes, k, period in market.seasons]
    season = np.prod([f[classes] for f, (classes, _, _) in zip(factors, market.seasons)], axis=0)
    x = regressors(market, season)
    t = np.arange(FIRST, last - H + 1)
    steps = []
    for h in range(1, H + 1):
        off = np.array([season[row + 1:row + h + 1].sum() for row in t])
        size = np.abs(market.lc[t + h] - market.lc[t]) / np.sqrt(off)
        b = minimise(x[t], size, h)
        mean = np.mean(size * np.exp(-(x[t] @ b)))
        held = 0.
        for block in range(5):
            a, z = block * len(t) // 5, (block + 1) * len(t) // 5
            kept = np.r_[0:max(0, a - h), min(len(t), z + h):len(t)]
            held += np.sum(size[a:z] * np.exp(-(x[t[a:z]] @ minimise(x[t[kept]], size[kept], h))))
        level = held / len(t) / mean
        steps.append({'coefficients': b, 'level': level, 'typical': mean * level})
    return factors, season, x, steps


def season_ahead(market, factors, row, h):
    """variance factors of the h rows behind a row, which need not exist"""
    gap = market.time[1] - market.time[0]
    total = 0.
    for k in range(1, h + 1):
        time = market.time[row] + k * gap
        f = 1.
        for factor, (_, count, _) in zip(factors, market.seasons):
            f *= factor[time // DAY % 7 if count == 7 else time // HOUR % 24]
        total += f
    return total


def spread(market, learned, row, h):
    factors, _, x, steps = learned
    return np.sqrt(season_ahead(market, factors, row, h)) * np.exp(x[row] @ steps[h - 1]['coefficients'])


def lately(market, learned, row, h):
    step = learned[3][h - 1]
    origins = range(max(FIRST, row - h + 1 - 365), row - h + 1)
    if len(origins) == 0:
        return step['level']
    z = [abs(market.lc[o + h] - market.lc[o]) / spread(market, learned, o, h) for o in origins]
    n = len(z) / h
    return step['level'] * (np.mean(z) / step['typical']) ** (n / (n + 10))


def result(market, last, origins):
    learned = learn(market, last)
    steps = range(1, H + 1)
    return {
        'time': [int(market.time[0]), int(market.time[1] - market.time[0])],
        'candles': {name: values.tolist() for name, values in market.candles.items()},
        'last': last, 'origins': origins,
        'seasons': [f.tolist() for f in learned[0]],
        'coefficients': [s['coefficients'].tolist() for s in learned[3]],
        'level': [s['level'] for s in learned[3]],
        'typical': [s['typical'] for s in learned[3]],
        'spread': [[spread(market, learned, row, h) for h in steps] for row in origins],
        'lately': [[lately(market, learned, row, h) for h in steps] for row in origins],
    }


rng = np.random.default_rng(20261125)
n = 600
time = 1_600_000_000_000 // DAY * DAY + np.arange(n) * DAY
weekday = time // DAY % 7  # 0 is a Thursday
days = draw(rng, .025 * wander(rng, n) * np.where(np.isin(weekday, [2, 3]), .5, 1.1), 20000)
daily = Market(days, time, [(weekday, 7, 7)])
closes = Market({'close': days['close']}, time, [(weekday, 7, 7)])

n = 1300
time = 1_650_000_000_000 // DAY * DAY + np.arange(n) * HOUR
hour, weekday = time // HOUR % 24, time // DAY % 7
hours = draw(rng, .006 * wander(rng, n) * np.where(hour < 8, .6, 1.2) * np.where(np.isin(weekday, [2, 3]), .6, 1.1), 900)
hourly = Market(hours, time, [(hour, 24, 24), (weekday, 7, 168)])

json.dump({
    'versions': {'python': sys.version.split()[0], 'numpy': np.__version__},
    'horizon': H,
    'markets': {
        'daily': result(daily, 549, [89, 200, 544, 570, 599]),
        'closes': result(closes, 549, [89, 544, 599]),
        'hourly': result(hourly, 1250, [400, 1250, 1299]),
    },
}, sys.stdout, separators=(',', ':'))
print()
