"""How well `senti-ai sentiment` and plain VADER agree with labelled news.

    python benches/peers/sentiment.py SENTI_AI NEWS.csv [--text COLUMN] [--label COLUMN] [--held_out_from DATE]

wants `pip install vaderSentiment==3.3.2`. SENTI_AI is the program, NEWS.csv a file with times, texts and labels from -1 to 1, such as the
public Kaggle set `bitcoin_sentiments_21_24.csv`. Prints both scorers side by side, before and from the date on, and leaves nothing behind.
"""

import argparse
import csv
import math
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

MIDDLE = 0.05  # as vaderSentiment's own documentation has it


def side(score):
    return 0 if abs(score) < MIDDLE else math.copysign(1, score)


def correlation(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    xx = sum((a - mean_x) ** 2 for a in x)
    yy = sum((b - mean_y) ** 2 for b in y)
    return xy / math.sqrt(xx * yy)


def ranks(x):
    """Ranks, ties by their mean."""
    order = sorted(range(len(x)), key=x.__getitem__)
    out = [0.0] * len(x)
    start = 0
    while start < len(x):
        end = start
        while end < len(x) and x[order[end]] == x[order[start]]:
            end += 1
        for place in order[start:end]:
            out[place] = (start + end - 1) / 2
        start = end
    return out


def macro_f1(scores, labels):
    total = 0.0
    for which in (-1, 0, 1):
        pairs = [(side(s) == which, side(l) == which) for s, l in zip(scores, labels)]
        both = sum(a and b for a, b in pairs)
        said, true = sum(a for a, _ in pairs), sum(b for _, b in pairs)
        total += 2 * both / (said + true) if said + true else 0.0
    return total / 3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("news")
    parser.add_argument("--time", default="Date")
    parser.add_argument("--text", default="Short Description")
    parser.add_argument("--label", default="Accurate Sentiments")
    parser.add_argument("--held_out_from", default="2024")
    wanted = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, vaderSentiment {version('vaderSentiment')}", end=", ")
    print(subprocess.check_output([wanted.program, "--version"], text=True).strip())

    with open(wanted.news, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row[wanted.text].strip() and row[wanted.time].strip()]
    with tempfile.TemporaryDirectory() as folder:
        command = [wanted.program, "sentiment", wanted.news, "--text_column", wanted.text, "--time_column", wanted.time]
        subprocess.run([*command, "--output", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(Path(folder) / "posts.csv", newline="") as file:
            ours = [float(row["score"]) for row in csv.DictReader(file)]
    assert len(ours) == len(rows), f"{len(ours)} scores of {len(rows)} texts"
    vader = SentimentIntensityAnalyzer()
    plain = [vader.polarity_scores(row[wanted.text])["compound"] for row in rows]

    print("\n| news | scorer | texts | correlation | rank correlation | right of three | macro F1 | wrong side |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    date = wanted.held_out_from
    for name, fits in (
        (f"before {date}", lambda row: row[wanted.time] < date),
        (f"from {date} on, held out", lambda row: row[wanted.time] >= date),
    ):
        places = [i for i, row in enumerate(rows) if fits(row)]
        labels = [float(rows[i][wanted.label]) for i in places]
        for scorer, scores in (("VADER 3.3.2 (Python)", plain), ("senti-ai", ours)):
            scores = [scores[i] for i in places]
            right = sum(side(s) == side(l) for s, l in zip(scores, labels)) / len(places)
            wrong = sum(side(s) * side(l) < 0 for s, l in zip(scores, labels)) / len(places)
            print(
                f"| {name} | {scorer} | {len(places)} | {correlation(scores, labels):.3f} | "
                f"{correlation(ranks(scores), ranks(labels)):.3f} | {right:.1%} | {macro_f1(scores, labels):.3f} | {wrong:.1%} |"
            )


if __name__ == "__main__":
    main()
