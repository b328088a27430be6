"""Makes the weight files of this folder and `outputs.json`, what the framework that wrote each of them answers to the inputs in it.

Every network is the original's shape, small: two bidirectional LSTM layers and a dense one, 6 features, 7 steps. Weights are drawn, biases too,
so that no gate is at rest. `refused/` holds files that must be refused, each for another reason.

    python make.py            # all of it
    python make.py keras      # only one framework: keras, tf_keras, torch

Versions are in `outputs.json`. Made with Python 3.11, keras 3.15.1 on tensorflow-cpu 2.21.0, tf_keras 2.21.0, h5py 3.14.0, torch 2.15.0, safetensors 0.8.0.
"""

import json
import os
import shutil
import sys
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(os.path.join(here, "refused"), exist_ok=True)
STEPS, FEATURES, OUTPUTS = 7, 6, 5
inputs = numpy.random.default_rng(1).normal(size=(4, STEPS, FEATURES)).astype("float32")


def at(name):
    return os.path.join(here, name)


def keep(framework, versions, outputs):
    """Merges what one framework says into outputs.json."""
    path = at("outputs.json")
    document = json.load(open(path)) if os.path.exists(path) else {"versions": {}, "files": {}}
    document["versions"].update(versions)
    document["inputs"] = {"shape": list(inputs.shape), "values": [float(x) for x in inputs.ravel()]}
    document["files"].update(
        {
            name: {"written_by": framework, "shape": list(out.shape), "values": [float(x) for x in numpy.asarray(out).ravel()]}
            for name, out in outputs.items()
        }
    )
    document["files"] = dict(sorted(document["files"].items()))
    with open(path, "w") as file:
        json.dump(document, file, indent=0)
        file.write("\n")


def draw(model, seed):
    stream = numpy.random.default_rng(seed)
    model.set_weights([stream.normal(scale=0.4, size=w.shape).astype("float32") for w in model.get_weights()])


def pack(name):
    """Writes a zip anew with its parts deflated: Keras and PyTorch only store them, other programs need not."""
    with zipfile.ZipFile(at(name)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(at(name), "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


def original(layers, models, units=(4, 3), outputs=OUTPUTS):
    """As the original builds it."""
    first, second = units
    return models.Sequential(
        [
            layers.Input((STEPS, FEATURES)),
            layers.Bidirectional(layers.LSTM(first, return_sequences=True)),
            layers.Dropout(0.2),
            layers.Bidirectional(layers.LSTM(second)),
            layers.Dropout(0.2),
            layers.Dense(outputs),
        ]
    )


def by_keras():
    import h5py
    import keras
    import tensorflow
    from keras import layers, models

    said = {}
    model = original(layers, models)
    draw(model, 2)
    said["keras3.keras"] = said["keras3.h5"] = said["keras3.weights.h5"] = model(inputs).numpy()
    for name in ["keras3.keras", "keras3.h5", "keras3.weights.h5"]:
        (model.save_weights if "weights" in name else model.save)(at(name))

    # trained for a moment, so that the file holds an optimiser too; names of one's own; one layer; no biases; the functional interface
    entry = layers.Input((STEPS, FEATURES), name="candles")
    hidden = layers.Bidirectional(layers.LSTM(3, use_bias=False, name="inner"), name="reader")(entry)
    answer = layers.Dense(2, name="answer")(layers.Dropout(0.1)(hidden))
    model = models.Model(entry, answer)
    draw(model, 3)
    model.compile("adam", "mse")
    model.fit(inputs, inputs[:, 0, :2], verbose=0)
    for name in ["functional.keras", "functional.h5"]:
        model.save(at(name))
        said[name] = model(inputs).numpy()

    # the same file with other bytes: newest layout of groups, chunks, shuffled and packed; names of fixed length, in pieces
    with h5py.File(at("keras3.h5")) as old, h5py.File(at("chunked.h5"), "w", libver="latest") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                chunks = tuple(max(1, n // 2) for n in item.shape)
                made = new.create_dataset(name, data=item[()], chunks=chunks, compression="gzip", shuffle=True, fletcher32=True)
            else:
                made = new.require_group(name)
            keep_attributes(item, made)

        def keep_attributes(item, made):
            for key, value in item.attrs.items():
                if getattr(value, "dtype", None) == object:  # as Keras wrote lists of names before h5py 3
                    value = numpy.array([text.encode() for text in value])
                if key == "layer_names":  # as Keras cuts a list that is too long for one attribute
                    made.attrs["layer_names0"], made.attrs["layer_names1"] = value[:2], value[2:]
                else:
                    made.attrs[key] = value

        keep_attributes(old, new)
        old.visititems(copy)
    said["chunked.h5"] = said["keras3.h5"]

    # what must be refused
    small = lambda *inner: models.Sequential([layers.Input((STEPS, FEATURES)), *inner, layers.Dense(2)])
    small(layers.Bidirectional(layers.GRU(3))).save(at("refused/gru.keras"))
    small(layers.Bidirectional(layers.GRU(3))).save_weights(at("refused/gru.weights.h5"))
    small(layers.LSTM(3)).save(at("refused/one_way.keras"))
    small(layers.LSTM(3)).save(at("refused/one_way.h5"))
    small(layers.Bidirectional(layers.LSTM(3, activation="relu"))).save(at("refused/relu.keras"))
    small(layers.Bidirectional(layers.LSTM(3), merge_mode="sum")).save(at("refused/summed.keras"))
    small(layers.Bidirectional(layers.LSTM(3)), layers.LayerNormalization()).save(at("refused/normalised.keras"))
    small(layers.Bidirectional(layers.LSTM(3)), layers.Dense(3, activation="relu")).save(at("refused/two_dense.keras"))
    entry = layers.Input((STEPS, FEATURES))
    below = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(entry)
    above = layers.Bidirectional(layers.LSTM(3))(below)
    beside = layers.Bidirectional(layers.LSTM(3))(below)
    models.Model(entry, layers.Dense(2)(layers.Add()([above, beside]))).save(at("refused/branches.keras"))
    for name in ["functional.keras", *(f"refused/{name}" for name in os.listdir(at("refused")) if name.endswith(".keras"))]:
        pack(name)
    # an array that is said to be of 4 TiB and of which nothing is stored
    shutil.copy(at("keras3.h5"), at("refused/huge.h5"))
    with h5py.File(at("refused/huge.h5"), "a") as file:
        dense = file["model_weights/dense/sequential/dense"]
        del dense["kernel"]
        dense.create_dataset("kernel", shape=(1 << 20, 1 << 20), dtype="float32", chunks=(64, 64))
    versions = {"keras": keras.__version__, "tensorflow": tensorflow.__version__, "h5py": h5py.__version__, "numpy": numpy.__version__}
    keep("keras", versions, said)


def by_tf_keras():
    import tf_keras
    from tf_keras import layers, models

    said = {}
    model = original(layers, models)
    draw(model, 4)
    model.compile("adam", "mse")
    model.fit(inputs, inputs[:, 0, :OUTPUTS], verbose=0)
    model.save(at("keras2.h5"))
    model.save_weights(at("keras2_weights.h5"))
    model.save(at("keras2.keras"))
    pack("keras2.keras")
    said["keras2.h5"] = said["keras2_weights.h5"] = said["keras2.keras"] = model(inputs).numpy()
    keep("tf_keras", {"tf_keras": tf_keras.__version__}, said)


def by_torch():
    import safetensors
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(5)

    class Original(torch.nn.Module):
        def __init__(self, units=(4, 3)):
            super().__init__()
            self.lstm1 = torch.nn.LSTM(FEATURES, units[0], batch_first=True, bidirectional=True)
            self.lstm2 = torch.nn.LSTM(2 * units[0], units[1], batch_first=True, bidirectional=True)
            self.dropout = torch.nn.Dropout(0.2)
            self.dense = torch.nn.Linear(2 * units[1], OUTPUTS)

        def forward(self, x):
            x, _ = self.lstm1(x)
            _, (last, _) = self.lstm2(self.dropout(x))
            return self.dense(torch.cat([last[-2], last[-1]], dim=1))

    class Stacked(torch.nn.Module):
        def __init__(self, bias=True):
            super().__init__()
            self.lstm = torch.nn.LSTM(FEATURES, 3, num_layers=2, batch_first=True, bidirectional=True, bias=bias)
            self.head = torch.nn.Linear(6, OUTPUTS, bias=bias)

        def forward(self, x):
            _, (last, _) = self.lstm(x)
            return self.head(torch.cat([last[-2], last[-1]], dim=1))

    x = torch.from_numpy(inputs)
    said = {}

    def answer(model):
        with torch.no_grad():
            return model.eval()(x).numpy()

    def scatter(model):
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=0.4)
        return model

    model = scatter(Original())
    said["torch.pt"] = said["torch_protocol4.pt"] = said["torch.safetensors"] = answer(model)
    torch.save(model.state_dict(), at("torch.pt"))
    torch.save(model.state_dict(), at("torch_protocol4.pt"), pickle_protocol=4)
    save_file(model.state_dict(), at("torch.safetensors"))
    # as cuDNN lays them: all weights in one piece of memory, which the file holds once
    state = model.state_dict()
    whole = torch.cat([weight.reshape(-1) for weight in state.values()])
    pieces = whole.split([weight.numel() for weight in state.values()])
    shared = {name: piece.view(weight.shape) for (name, weight), piece in zip(state.items(), pieces)}
    torch.save(shared, at("torch_shared.pt"))
    said["torch_shared.pt"] = said["torch.pt"]

    model = scatter(Stacked(bias=False))
    torch.save(model.state_dict(), at("torch_without_biases.pth"))
    said["torch_without_biases.pth"] = answer(model)

    # a checkpoint of a training, double precision, a name in front, weights that lie transposed in memory
    model = scatter(Stacked()).double()
    optimizer = torch.optim.Adam(model.parameters())
    model(x.double()).sum().backward()
    optimizer.step()
    state = {f"module.{name}": (weight.t().contiguous().t() if weight.dim() == 2 else weight) for name, weight in model.state_dict().items()}
    torch.save({"epoch": 3, "loss": 0.25, "model_state_dict": state, "optimizer_state_dict": optimizer.state_dict()}, at("torch_checkpoint.pth"))
    with torch.no_grad():
        said["torch_checkpoint.pth"] = model.eval()(x.double()).numpy()

    # what must be refused
    torch.save(torch.nn.Sequential(torch.nn.LSTM(FEATURES, 3, bidirectional=True), torch.nn.Linear(6, 2)), at("refused/whole_module.pt"))
    torch.save(Stacked().state_dict(), at("refused/before_1_6.pt"), _use_new_zipfile_serialization=False)
    torch.jit.script(Stacked()).save(at("refused/script.pt"))
    torch.save(torch.nn.GRU(FEATURES, 3, bidirectional=True).state_dict(), at("refused/gru.pt"))
    torch.save(torch.nn.LSTM(FEATURES, 3, bidirectional=True).state_dict(), at("refused/no_dense.pt"))
    torch.save(torch.nn.LSTM(FEATURES, 3, bidirectional=True, proj_size=2).state_dict(), at("refused/projected.pt"))
    torch.save(torch.nn.Sequential(torch.nn.LSTM(FEATURES, 3), torch.nn.Linear(3, 2)).state_dict(), at("refused/one_way.pt"))
    both = torch.nn.Sequential(torch.nn.LSTM(FEATURES, 3, bidirectional=True), torch.nn.LayerNorm(6), torch.nn.Linear(6, 2))
    torch.save(both.state_dict(), at("refused/normalised.pt"))
    torch.save({"lstm.weight_ih_l0": [1.0, 2.0]}, at("refused/lists.pt"))

    class Evil:
        def __reduce__(self):
            return os.system, ("touch /tmp/senti-was-here",)

    torch.save({"lstm.weight_ih_l0": Evil()}, at("refused/hostile.pt"))
    ring = {}
    ring["ring"] = ring
    torch.save(ring, at("refused/ring.pt"))
    # one number that stands for 2^40 of them
    torch.save({"lstm.weight_ih_l0": torch.zeros(1).expand(1 << 20, 1 << 20)}, at("refused/expanded.pt"))
    torch.save({"ema": Stacked().state_dict(), "model": Stacked().state_dict()}, at("refused/two_dicts.pt"))
    torch.save(Stacked().half().state_dict(), at("refused/half.pt"))
    save_file(Stacked().half().state_dict(), at("refused/half.safetensors"))
    keep("torch", {"torch": torch.__version__, "safetensors": safetensors.__version__}, said)


def other():
    with zipfile.ZipFile(at("refused/other.zip"), "w") as archive:
        archive.writestr("readme.txt", "nothing of use")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["keras", "tf_keras", "torch"]
    # tf_keras and keras cannot share a process
    if len(wanted) > 1:
        for framework in wanted:
            status = os.system(f"{sys.executable} {__file__} {framework}")
            assert status == 0, framework
        other()
    else:
        {"keras": by_keras, "tf_keras": by_tf_keras, "torch": by_torch}[wanted[0]]()
