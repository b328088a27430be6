"""PyTorch walking forward: the folds of `cargo xtask bench walk`, with one thread or two.

The benchmark starts `python walk_peer.py WORK.json`, waits for a line `ready SETTING`, and then writes lines `EPOCHS FOLD FOLD …`. The answer
is a line of JSON: `cpu`, the seconds of processor time, and for each fold the validation loss `untrained` and `trained` and the number of windows.
What a fold gets ready made: its features, scaled, and its labels, in units of the expected move. What is done here: the start from the
empirical distribution, every epoch over shuffled windows, the validation loss after each, the best weights kept, and forecasts of the
windows that ours calibrates on and of the fold's origins.
"""
import copy, json, sys, time
import numpy as np, torch

work = json.load(open(sys.argv[1]))
torch.set_num_threads(work["threads"])
levels = torch.tensor(work["levels"])
middle = len(levels) // 2
steps, features, horizon, batch = work["steps"], work["features"], work["horizon"], work["batch"]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        width, self.lstms = features, torch.nn.ModuleList()
        for units in work["units"]:
            self.lstms.append(torch.nn.LSTM(width, units, bidirectional=True))
            width = 2 * units
        self.dropout, self.dense = torch.nn.Dropout(work["dropout"]), torch.nn.Linear(width, horizon * len(levels))

    def forward(self, x):
        """(T, B, F) to rising quantiles (B, H, Q)."""
        for lstm in self.lstms[:-1]:
            x = self.dropout(lstm(x)[0])
        _, (h, _) = self.lstms[-1](x)
        raw = self.dense(self.dropout(torch.cat([h[0], h[1]], dim=1))).view(-1, horizon, len(levels))
        median = work["location_rate"] * raw[..., middle : middle + 1]
        gaps = torch.nn.functional.softplus(raw)
        above = median + gaps[..., middle + 1 :].cumsum(-1)
        below = median - gaps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([below, median, above], -1)

    def start(self, labels):
        """Zero weights, and the bias whose quantiles are the labels' own, drawn to their mirror image by a share."""
        q = np.quantile(labels.numpy().astype(np.float64), work["levels"], axis=0).T
        q = q - work["symmetry"] * 0.5 * (q + q[:, ::-1])
        gaps = np.maximum(np.diff(q), 1e-6)
        gaps = gaps + np.log(-np.expm1(-gaps))
        raw = np.concatenate([gaps[:, :middle], q[:, middle : middle + 1] / work["location_rate"], gaps[:, middle:]], axis=1)
        with torch.no_grad():
            self.dense.weight.zero_()
            self.dense.bias.copy_(torch.from_numpy(raw.ravel()))


def pinball(quantiles, actual):
    e = actual[..., None] - quantiles
    return torch.maximum(levels * e, (levels - 1) * e).mean()


class Fold:
    def __init__(self, fold):
        x = torch.from_numpy(np.fromfile(fold["x"], np.float32).reshape(-1, features))
        # every window (T, F), copied once: gathering a batch is one call
        self.x = x.unfold(0, steps, 1).permute(0, 2, 1).contiguous()
        self.y = torch.from_numpy(np.fromfile(fold["y"], np.float32).reshape(-1, horizon))
        self.part = {name: torch.arange(*fold[name]) for name in ("train", "valid", "calibration", "origins")}

    def inputs(self, origins):
        return self.x[origins - (steps - 1)].transpose(0, 1)

    def walk(self, epochs):
        torch.manual_seed(42)
        net = Net()
        net.start(self.y[self.part["train"]])
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, foreach=True)

        def valid_loss():
            net.eval()
            with torch.inference_mode():
                return pinball(net(self.inputs(self.part["valid"])), self.y[self.part["valid"]]).item()

        untrained = best = valid_loss()
        weights = copy.deepcopy(net.state_dict())
        for _ in range(epochs):
            net.train()
            train = self.part["train"]
            for origins in train[torch.randperm(len(train))].split(batch):
                optimizer.zero_grad()
                pinball(net(self.inputs(origins)), self.y[origins]).backward()
                optimizer.step()
            trained = valid_loss()
            if trained < best:
                best, weights = trained, copy.deepcopy(net.state_dict())
        net.load_state_dict(weights)
        net.eval()
        with torch.inference_mode():
            for part in ("calibration", "origins"):
                for origins in self.part[part].split(512):
                    net(self.inputs(origins)).numpy()
        return untrained, best, len(self.part["train"])


net = Net()
# PyTorch has two biases where one is enough
parameters = sum(p.numel() for p in net.parameters()) - sum(p.numel() for name, p in net.named_parameters() if "bias_hh" in name)
print("ready", json.dumps({"version": torch.__version__, "parameters": parameters}), flush=True)
for line in sys.stdin:
    cpu = time.process_time()
    epochs, *numbers = map(int, line.split())
    folds = [Fold(work["folds"][number]).walk(epochs) for number in numbers]
    print(json.dumps({"cpu": time.process_time() - cpu, "folds": folds}), flush=True)
