"""Do joined columns help? Two backtests over the same origins, one with them and one without, compared model by model.

    python benches/peers/ablation.py WITHOUT WITH

takes the output folders of two runs of `senti-ai backtest` (the same data, origins, horizon and models, one with `--join`). Prints for each
model the change of the CRPS (from 19 quantiles, in log price) and of the absolute error at 1 step and in the mean of all, with
Diebold and Mariano's t (Newey and West's variance over twice the horizon, Harvey, Leybourne and Newbold's correction), and Holm's
p values over everything in the table. Needs nothing but Python.
"""

import csv
import math
import sys
from collections import defaultdict


def read(folder):
    """(model, origin, step) -> (CRPS, absolute error), in log price."""
    scores = {}
    with open(f"{folder}/backtest.csv", newline="") as file:
        for row in csv.DictReader(file):
            actual = math.log(float(row["actual"]))
            loss = levels = 0.0
            for name, text in row.items():
                if name.startswith("q0"):
                    level, price = float(name[1:]), math.log(float(text))
                    loss += max(level * (actual - price), (level - 1) * (actual - price))
                    levels += 1
            error = abs(actual - math.log(float(row["point"])))
            scores[row["model"], row["origin"], int(row["step"])] = (2 * loss / levels, error)
    return scores


def diebold_mariano(differences, horizon):
    """t of the mean, and its two-sided p value by the normal distribution."""
    n = len(differences)
    mean = sum(differences) / n
    centred = [x - mean for x in differences]
    lags = 2 * horizon
    variance = sum(x * x for x in centred) / n
    for lag in range(1, min(lags, n - 1) + 1):
        covariance = sum(a * b for a, b in zip(centred[lag:], centred)) / n
        variance += 2 * (1 - lag / (lags + 1)) * covariance
    small = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    t = small * mean / math.sqrt(variance / n) if variance > 0 else 0.0
    return t, math.erfc(abs(t) / math.sqrt(2))


def main(without, joined):
    a, b = read(without), read(joined)
    assert a.keys() == b.keys(), "the runs have other origins, models or steps"
    horizon = max(step for _, _, step in a)
    models = list(dict.fromkeys(model for model, _, _ in a))
    origins = sorted({origin for _, origin, _ in a})
    print(f"{len(origins)} origins {origins[0]} to {origins[-1]}, horizon {horizon}")
    rows = []
    for model in models:
        if all(a[key] == b[key] for key in a if key[0] == model):
            continue  # sees no other columns
        for name, steps in (("1", [1]), ("all", range(1, horizon + 1))):
            for place, score in enumerate(("CRPS", "abs. error")):
                by_origin = defaultdict(lambda: [0.0, 0.0])
                for origin in origins:
                    for step in steps:
                        by_origin[origin][0] += a[model, origin, step][place]
                        by_origin[origin][1] += b[model, origin, step][place]
                pairs = [by_origin[origin] for origin in origins]
                change = sum(y for _, y in pairs) / sum(x for x, _ in pairs) - 1
                t, p = diebold_mariano([x - y for x, y in pairs], max(steps))
                rows.append([model, name, score, change, t, p])
    order = sorted(range(len(rows)), key=lambda i: rows[i][5])
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(rows) - rank) * rows[i][5]))
        rows[i].append(worst)
    print("\n| model | steps | score | change with the columns | t (positive: better) | p | p (Holm) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model, steps, score, change, t, p, holm in rows:
        print(f"| {model} | {steps} | {score} | {change:+.2%} | {t:+.2f} | {p:.3f} | {holm:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
