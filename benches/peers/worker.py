"""What every peer shares: the work, its data and weights, and the conversation with the benchmark.

The benchmark starts `python PEER.py WORK.json`, waits for a line `ready SETTING`, and then writes one command a line:
`epoch` (train one epoch), `predict N` (forecast N windows once, 20 times for N = 1), `outputs` (write the forecasts of the first batch).
The answer is the seconds that it took, or `done`. Between commands a peer sleeps, so that nobody runs beside anybody.
"""
import json, sys, time
import numpy as np


class Work:
    def __init__(self, path):
        self.__dict__.update(json.load(open(path)))
        row, step, feature = np.ogrid[: max(self.windows, 512), : self.steps, : self.features]
        self.x = np.sin((row * 31 + step * 17 + feature * 7) * np.float64(0.37)).astype(np.float32)
        rows = np.arange(max(self.windows, 512), dtype=np.float64)[:, None]
        self.y = np.repeat(np.cos(rows * 0.3), self.outputs, axis=1).astype(np.float32)

    def weights(self):
        """Keras's tensors, in its order: for each layer and direction kernel, recurrent kernel, bias; then the dense layer's."""
        flat, tensors, width, at = np.fromfile(self.weights_path, np.float32), [], self.features, 0
        shapes = []
        for units in self.units:
            shapes += 2 * [(width, 4 * units), (units, 4 * units), (4 * units,)]
            width = 2 * units
        for shape in shapes + [(width, self.outputs), (self.outputs,)]:
            size = int(np.prod(shape))
            tensors.append(flat[at : at + size].reshape(shape))
            at += size
        assert at == len(flat)
        return tensors


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def faster(settings, action):
    """The setting with which `action(setting)` is fastest, each tried once to warm up and twice to measure."""
    return min(settings, key=lambda setting: min((action(setting), seconds(lambda: action(setting)), seconds(lambda: action(setting)))[1:]))


def serve(setting, epoch, predict):
    """`predict(windows)` gives the forecasts (windows, outputs) as an array, when they are there."""
    work = Work(sys.argv[1])
    print("ready", setting, flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "epoch":
            print(seconds(epoch), flush=True)
        elif command == "predict":
            n = int(arguments[0])
            x, times = work.x[:n].copy(), 20 if n == 1 else 1
            print(seconds(lambda: [predict(x) for _ in range(times)]) / times, flush=True)
        elif command == "outputs":
            np.asarray(predict(work.x[: work.batch].copy()), np.float32).tofile(arguments[0])
            print("done", flush=True)
