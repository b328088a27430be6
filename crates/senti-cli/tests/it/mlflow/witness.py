"""Says in JSON what Python's own MLflow client sees. The store is `MLFLOW_TRACKING_URI`, as for any MLflow program.

In comes a question and its words; out goes one line of JSON, the last on standard output. It changes nothing in the store. Non-finite numbers
are texts (`"NaN"`, `"Infinity"`), as JSON has none.

    witness.py versions                        of Python, mlflow, onnxruntime
    witness.py experiments                     name, id, tags, artifact_location of each experiment that is not deleted
    witness.py runs EXPERIMENT                 every run of an experiment, by its name, with everything `run` says
    witness.py run RUN_ID                      info, params, metrics with their whole histories, tags, inputs, outputs, artifacts, children
    witness.py children RUN_ID                 ids of the runs below a run, oldest first
    witness.py artifact RUN_ID PATH            size, SHA-256 and text of an artifact
    witness.py model NAME                      a registered model: tags, aliases, description, versions with their stages, tags and sources
    witness.py models                          all of them
    witness.py logged-models EXPERIMENT        logged models (MLflow 3) with params, metrics, tags, artifacts
    witness.py files URI                       names, sizes and SHA-256 of everything below an artifact URI (models:/…, runs:/…)
    witness.py predict URI FILE                loads with pyfunc and predicts; FILE is JSON, `[[…]]` or `{"name": [[…]]}`, float64
    witness.py flavors URI                     what the MLmodel file says
"""

import hashlib
import json
import math
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient

client = MlflowClient()


def plain(value):
    """The value with nothing in it that JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def tree(folder):
    files = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                data = file.read()
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            files[relative] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return files


def files(uri):
    with tempfile.TemporaryDirectory() as folder:
        return tree(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))


def experiment(name):
    found = client.get_experiment_by_name(name)
    if found is None:
        sys.exit(f"there is no experiment {name!r}")
    return found


def listed(run_id, path=None):
    """Artifacts of a run as the server lists them, folders walked into: path to size."""
    found = {}
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            found.update(listed(run_id, entry.path))
        else:
            found[entry.path] = entry.file_size or 0
    return found


def children(run_id):
    run = client.get_run(run_id)
    found = client.search_runs(
        [run.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{run_id}'",
        order_by=["attributes.start_time ASC"],
        max_results=5000,
    )
    return [child.info.run_id for child in found]


def describe(run):
    run_id = run.info.run_id
    history = {}
    for key in run.data.metrics:
        points = client.get_metric_history(run_id, key)
        points.sort(key=lambda point: (point.step, point.timestamp))
        history[key] = [{"step": p.step, "value": p.value, "timestamp": p.timestamp} for p in points]
    inputs = []
    for given in run.inputs.dataset_inputs if run.inputs else []:
        dataset = given.dataset
        inputs.append({
            "name": dataset.name,
            "digest": dataset.digest,
            "source_type": dataset.source_type,
            "source": dataset.source,
            "schema": dataset.schema,
            "profile": dataset.profile,
            "tags": {tag.key: tag.value for tag in given.tags},
        })
    outputs = getattr(run, "outputs", None)
    sizes = listed(run_id)
    with tempfile.TemporaryDirectory() as folder:
        sums = tree(client.download_artifacts(run_id, "", folder)) if sizes else {}
    return {
        "run_id": run_id,
        "name": run.info.run_name,
        "experiment_id": run.info.experiment_id,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        "lifecycle_stage": run.info.lifecycle_stage,
        "artifact_uri": run.info.artifact_uri,
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "history": history,
        "tags": dict(run.data.tags),
        "inputs": inputs,
        "outputs": [model.model_id for model in outputs.model_outputs] if outputs else [],
        "listed": sizes,
        "artifacts": sums,
        "children": children(run_id),
    }


def runs(name):
    found = client.search_runs([experiment(name).experiment_id], max_results=5000)
    return sorted((describe(run) for run in found), key=lambda run: (run["name"] or "", run["start_time"]))


def experiments():
    return [
        {"name": e.name, "id": e.experiment_id, "tags": dict(e.tags), "artifact_location": e.artifact_location}
        for e in client.search_experiments()
    ]


def artifact(run_id, path):
    with tempfile.TemporaryDirectory() as folder:
        with open(client.download_artifacts(run_id, path, folder), "rb") as file:
            data = file.read()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "text": data.decode("utf-8", "replace")}


def model(name):
    found = client.get_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    aliases = {alias: str(version) for alias, version in found.aliases.items()}
    return {
        "name": found.name,
        "description": found.description,
        "tags": dict(found.tags),
        "aliases": aliases,
        "versions": {
            str(v.version): {
                "stage": v.current_stage,
                "status": v.status,
                "source": v.source,
                "run_id": v.run_id,
                "model_id": getattr(v, "model_id", None),
                "description": v.description,
                "tags": dict(v.tags),
                "aliases": sorted(alias for alias, version in aliases.items() if version == str(v.version)),
                "created": v.creation_timestamp,
                "download_uri": client.get_model_version_download_uri(name, v.version),
            }
            for v in versions
        },
    }


def models():
    return {found.name: model(found.name) for found in client.search_registered_models(max_results=1000)}


def logged_models(name):
    if not hasattr(client, "search_logged_models"):
        return []
    return [
        {
            "model_id": m.model_id,
            "name": m.name,
            "status": str(m.status).removeprefix("LoggedModelStatus."),
            "model_type": m.model_type,
            "source_run_id": m.source_run_id,
            "artifact_location": m.artifact_location,
            "params": dict(m.params),
            "tags": dict(m.tags),
            "metrics": [
                {"key": x.key, "value": x.value, "step": x.step, "dataset": x.dataset_name, "digest": x.dataset_digest}
                for x in m.metrics or []
            ],
            "files": files(f"models:/{m.model_id}"),
        }
        for m in client.search_logged_models([experiment(name).experiment_id])
    ]


def predict(uri, path):
    import numpy

    with open(path, encoding="utf-8") as file:
        asked = json.load(file)
    arrays = {key: numpy.asarray(value, dtype=numpy.float64) for key, value in asked.items()} if isinstance(asked, dict) else None
    loaded = mlflow.pyfunc.load_model(uri)
    said = loaded.predict(arrays if arrays is not None else numpy.asarray(asked, dtype=numpy.float64))
    if isinstance(said, dict):
        return {key: numpy.asarray(value).tolist() for key, value in said.items()}
    return said.to_dict("list") if hasattr(said, "to_dict") else numpy.asarray(said).tolist()


def flavors(uri):
    return mlflow.models.Model.load(uri).to_dict()


def versions():
    import onnxruntime

    return {"python": sys.version.split()[0], "mlflow": mlflow.__version__, "onnxruntime": onnxruntime.__version__}


QUESTIONS = {
    "versions": versions,
    "experiments": experiments,
    "runs": runs,
    "run": lambda run_id: describe(client.get_run(run_id)),
    "children": children,
    "artifact": artifact,
    "model": model,
    "models": models,
    "logged-models": logged_models,
    "files": files,
    "predict": predict,
    "flavors": flavors,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in QUESTIONS:
        sys.exit(__doc__)
    answer = QUESTIONS[sys.argv[1]](*sys.argv[2:])
    print("\n" + json.dumps(plain(answer), sort_keys=True))
