"""What others make of an exported model: ONNX's checker, ONNX Runtime alone, and MLflow's pyfunc.

    python onnx.py MODEL.onnx PACKAGE ROWS.csv [ROWS.csv ...]

Each CSV holds a window: a header, the opening time (ISO 8601, UTC) and columns by name. Prints one JSON document: versions, and for
each window what every way of asking gives. The folder PACKAGE may be `-`: then MLflow is not asked.
"""

import csv
import datetime
import json
import os
import sys

os.environ.setdefault("MLFLOW_TRACKING_URI", "sqlite:////nowhere/none.db")
sys.path = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]

import numpy
import onnx
import onnxruntime


def window(path, columns):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    places = [header.index(column) for column in columns]

    def time(text):
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return round(moment.timestamp() * 1000)

    number = lambda text: float(text) if text else float("nan")
    return [[time(row[0])] + [number(row[place]) for place in places] for row in rows]


def told(outputs, row):
    flat = lambda array: [None if x != x else x for x in numpy.asarray(array)[row].ravel().tolist()]
    return {name: flat(outputs[name]) for name in ("point", "quantiles", "time")}


def main(model_path, package, *paths):
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    columns = json.loads(metadata["senti.columns"])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    run = lambda windows: dict(zip(names, session.run(names, {"window": windows})))

    windows = numpy.array([window(path, columns) for path in paths], dtype=numpy.float64)
    batch = run(windows)
    document = {
        "versions": {"python": sys.version.split()[0], "numpy": numpy.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
        "opset": {entry.domain: entry.version for entry in model.opset_import},
        "metadata": metadata,
        "batch": [told(batch, row) for row in range(len(paths))],
        "alone": [told(run(windows[row : row + 1]), 0) for row in range(len(paths))],
    }
    if package != "-":
        import mlflow

        document["versions"]["mlflow"] = mlflow.__version__
        loaded = mlflow.pyfunc.load_model(package)
        outputs = loaded.predict({"window": windows})
        document["pyfunc"] = [told(outputs, row) for row in range(len(paths))]
        bare = loaded.predict(windows)
        document["pyfunc_bare"] = [told(bare, row) for row in range(len(paths))]
        example = loaded.predict({name: numpy.array(value, dtype=numpy.float64) for name, value in json.load(open(f"{package}/input_example.json")).items()})
        document["example"] = told(example, 0)
        document["signature"] = loaded.metadata.signature.to_dict()
        document["model_metadata"] = loaded.metadata.metadata
    json.dump(document, sys.stdout)


main(*sys.argv[1:])
