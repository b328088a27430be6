"""Outputs, losses, gradients and three steps of Adam by PyTorch, for small bidirectional LSTMs.

Writes torch_steps.json. PyTorch has two biases for each gate; the recurrent one is kept at zero and not trained, so that the other one
is Keras's. Run: python torch_steps.py (needs torch and numpy). Computed in float64, so that all digits written are right.
"""
import json, pathlib
import numpy as np, torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(7)


def case(name, steps, features, units, outputs, rows, loss, levels=None):
    lstms, width = [], features
    for u in units:
        lstm = torch.nn.LSTM(width, u, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for key, value in lstm.named_parameters():
                value.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(value.shape)).astype(np.float32)))
                if "bias_hh" in key:
                    value.zero_()
                    value.requires_grad = False
        lstms.append(lstm)
        width = 2 * u
    dense = torch.nn.Linear(width, outputs)
    with torch.no_grad():
        for value in dense.parameters():
            value.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(value.shape)).astype(np.float32)))
    targets_per_row = outputs if levels is None else outputs // len(levels)
    x = torch.from_numpy(rng.normal(size=(rows, steps, features)).astype(np.float32)).double()
    y = torch.from_numpy(rng.normal(size=(rows, targets_per_row)).astype(np.float32)).double()

    def forward():
        h = x
        for index, lstm in enumerate(lstms):
            h, (final, _) = lstm(h)
        return dense(torch.cat([final[0], final[1]], dim=1))

    def objective(out):
        if loss == "mse":
            return torch.nn.functional.mse_loss(out, y)
        if loss == "mae":
            return torch.nn.functional.l1_loss(out, y)
        if loss == "huber":
            return torch.nn.functional.huber_loss(out, y, delta=0.5)
        z = out.reshape(rows, targets_per_row, len(levels))
        middle = len(levels) // 2
        gaps = torch.nn.functional.softplus(z, threshold=100)
        median = z[..., middle : middle + 1]
        above = median + torch.cumsum(gaps[..., middle + 1 :], -1)
        below = median - torch.flip(torch.cumsum(torch.flip(gaps[..., :middle], [-1]), -1), [-1])
        e = y[..., None] - torch.cat([below, median, above], -1)
        tau = torch.tensor(levels)
        return torch.maximum(tau * e, (tau - 1) * e).mean()

    def tensors(pick):
        out = {}
        for index, lstm in enumerate(lstms):
            layer = "bidirectional" if index == 0 else f"bidirectional_{index}"
            for direction, suffix in (("forward", ""), ("backward", "_reverse")):
                for part, key in (("kernel", "weight_ih_l0"), ("recurrent_kernel", "weight_hh_l0"), ("bias", "bias_ih_l0")):
                    value = pick(getattr(lstm, key + suffix))
                    out[f"{layer}/{direction}/{part}"] = value.detach().numpy().T.ravel().tolist()
        out["dense/kernel"] = pick(dense.weight).detach().numpy().T.ravel().tolist()
        out["dense/bias"] = pick(dense.bias).detach().numpy().ravel().tolist()
        return out

    parameters = [p for module in (*lstms, dense) for p in module.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=0.01, betas=(0.9, 0.999), eps=1e-3)  # large, so that its place is seen
    result = dict(name=name, steps=steps, features=features, units=units, outputs=outputs, rows=rows, loss=loss,
                  levels=levels or [], epsilon=1e-3, learning_rate=0.01, x=x.numpy().ravel().tolist(), y=y.numpy().ravel().tolist(),
                  weights=tensors(lambda p: p))
    for step in range(3):
        adam.zero_grad()
        out = forward()
        value = objective(out)
        value.backward()
        if step == 0:
            result["answers"] = out.detach().numpy().ravel().tolist()
            result["loss_value"] = value.item()
            result["gradients"] = tensors(lambda p: p.grad)
        adam.step()
    result["weights_after"] = tensors(lambda p: p)
    return result


cases = [
    case("mse", 5, 3, [4, 3], 2, 4, "mse"),
    case("mae, three layers", 3, 2, [3, 2, 4], 3, 5, "mae"),
    case("huber, one layer", 6, 1, [5], 1, 3, "huber"),
    case("pinball", 4, 2, [3, 3], 10, 4, "pinball", [0.05, 0.25, 0.5, 0.75, 0.95]),
]
text = json.dumps(dict(versions=dict(torch=torch.__version__, numpy=np.__version__), cases=cases))
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
