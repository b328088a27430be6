"""What others make of exported models: ONNX's checker, ONNX Runtime alone, MLflow's pyfunc and its server.

    python onnx.py CASES.json

CASES is a list of cases: `name`, `model` (a file), `windows` (CSV files: a header, the opening time in ISO 8601 and UTC, columns by
name), and perhaps `package` (the folder of an MLflow package) and `serve` (start `mlflow models serve` on it). Prints one JSON
document: versions, and for each case what every way of asking gives for each window; NaN is null.
"""

import csv
import datetime
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# This file is called as a package that is imported below.
here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != here]
# MLflow opens the store of its runs even where none is asked for.
store = tempfile.TemporaryDirectory()
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store.name}/runs.db"

import numpy
import onnx
import onnxruntime

NAMES = ("point", "quantiles", "time")


def window(path, columns):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    places = [header.index(column) for column in columns]

    def milliseconds(text):
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return round(moment.timestamp() * 1000)

    def number(text):
        return float(text) if text else float("nan")

    return [[milliseconds(row[0])] + [number(row[place]) for place in places] for row in rows]


def told(outputs, row):
    def flat(array):
        return [None if x is None or x != x else x for x in numpy.asarray(array, dtype=float)[row].ravel().tolist()]

    return {name: flat(outputs[name]) for name in NAMES}


def served(package, windows):
    """What `mlflow models serve` answers to one request for all windows."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The server is looked for beside Python.
    bin = os.path.dirname(sys.executable)
    environment = os.environ | {"PATH": bin + os.pathsep + os.environ.get("PATH", "")}
    command = [f"{bin}/mlflow", "models", "serve", "-m", package, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    log = open(f"{store.name}/serve.log", "w+b")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(600):
            try:
                opener.open(f"http://127.0.0.1:{port}/ping", timeout=5).read()
                break
            except OSError:
                if server.poll() is not None:
                    break
                time.sleep(0.2)
        body = json.dumps({"inputs": {"window": windows.tolist()}}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
        try:
            answer = json.load(opener.open(request, timeout=120))
        except OSError:
            log.seek(0)
            sys.stderr.write(log.read().decode())
            raise
        return answer["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def asked(case):
    model = onnx.load(case["model"])
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    session = onnxruntime.InferenceSession(case["model"], providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(windows):
        return dict(zip(names, session.run(names, {"window": windows})))

    columns = json.loads(metadata["senti.columns"])
    windows = numpy.array([window(path, columns) for path in case["windows"]], dtype=numpy.float64)
    rows = range(len(windows))
    batch = run(windows)
    start = time.perf_counter()
    run(windows[:1])
    document = {
        "opset": {entry.domain: entry.version for entry in model.opset_import},
        "metadata": metadata,
        "bytes": os.path.getsize(case["model"]),
        "nodes": len(model.graph.node),
        "seconds": time.perf_counter() - start,
        "ways": {
            "a batch": [told(batch, row) for row in rows],
            "alone": [told(run(windows[row : row + 1]), 0) for row in rows],
        },
    }
    package = case.get("package")
    if package:
        import mlflow

        loaded = mlflow.pyfunc.load_model(package)
        outputs = loaded.predict({"window": windows})
        bare = loaded.predict(windows)
        document["ways"]["pyfunc"] = [told(outputs, row) for row in rows]
        document["ways"]["pyfunc, an array"] = [told(bare, row) for row in rows]
        example = json.loads(pathlib.Path(package, "input_example.json").read_text())
        example = loaded.predict({name: numpy.array(value) for name, value in example.items()})
        document["example"] = told(example, 0)
        document["signature"] = loaded.metadata.signature.to_dict()
        document["package_metadata"] = loaded.metadata.metadata
        if case.get("serve"):
            answer = served(package, windows)
            document["ways"]["mlflow models serve"] = [told(answer, row) for row in rows]
    return document


def versions(*modules):
    return {"python": sys.version.split()[0]} | {module.__name__: module.__version__ for module in modules}


cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
document = {"cases": {case["name"]: asked(case) for case in cases}}
document["versions"] = versions(numpy, onnx, onnxruntime, *([sys.modules["mlflow"]] if "mlflow" in sys.modules else []))
json.dump(document, sys.stdout)
