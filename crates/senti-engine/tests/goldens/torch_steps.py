"""Outputs, losses, gradients and three steps of Adam or AdamW by PyTorch, for small LSTMs and GRUs, in both directions or one.

Writes torch_steps.json. PyTorch has two biases for each gate; the recurrent one is kept at zero and not trained (but for a GRU's
candidate, whose two biases differ), so that the other one is Keras's. A GRU's gates are r, z, n; they are written as Keras's z, r, n. Run: python torch_steps.py (needs torch and numpy). Computed in float64, so that all digits written are right.
"""
import json, pathlib
import numpy as np, torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(7)


def case(name, steps, features, units, outputs, rows, loss, levels=None, cell="lstm", bidirectional=True, weight_decay=0.0):
    lstms, width, per_target = [], features, len(levels) if levels else 3 if loss == "student_t" else 1
    gates, ways = 4 if cell == "lstm" else 3, ["forward", "backward"] if bidirectional else [""]
    for u in units:
        lstm = (torch.nn.LSTM if cell == "lstm" else torch.nn.GRU)(width, u, batch_first=True, bidirectional=bidirectional)
        with torch.no_grad():
            for key, value in lstm.named_parameters():
                value.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(value.shape)).astype(np.float32)))
                if "bias_hh" in key and cell == "lstm":
                    value.zero_()
                    value.requires_grad = False
                elif "bias_hh" in key:
                    value[: 2 * u] = 0
                    value.untrained = 2 * u
        lstms.append(lstm)
        width = len(ways) * u
    dense = torch.nn.Linear(width, outputs)
    with torch.no_grad():
        for value in dense.parameters():
            value.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(value.shape)).astype(np.float32)))
    targets_per_row = outputs // per_target
    x = torch.from_numpy(rng.normal(size=(rows, steps, features)).astype(np.float32)).double()
    y = torch.from_numpy(rng.normal(size=(rows, targets_per_row)).astype(np.float32)).double()

    def forward():
        h = x
        for index, lstm in enumerate(lstms):
            h, final = lstm(h)
        final = final[0] if cell == "lstm" else final
        return dense(torch.cat(list(final), dim=1))

    def objective(out):
        if loss == "mse":
            return torch.nn.functional.mse_loss(out, y)
        if loss == "mae":
            return torch.nn.functional.l1_loss(out, y)
        if loss == "huber":
            return torch.nn.functional.huber_loss(out, y, delta=0.5)
        z = out.reshape(rows, targets_per_row, per_target)
        if loss == "student_t":
            scale, df = (torch.nn.functional.softplus(z[..., k], threshold=100) for k in (1, 2))
            return -torch.distributions.StudentT(2 + df, z[..., 0], scale).log_prob(y).mean()
        middle = len(levels) // 2
        gaps = torch.nn.functional.softplus(z, threshold=100)
        median = z[..., middle : middle + 1]
        above = median + torch.cumsum(gaps[..., middle + 1 :], -1)
        below = median - torch.flip(torch.cumsum(torch.flip(gaps[..., :middle], [-1]), -1), [-1])
        e = y[..., None] - torch.cat([below, median, above], -1)
        tau = torch.tensor(levels)
        return torch.maximum(tau * e, (tau - 1) * e).mean()

    def keras_order(value):
        """Gates to the last axis, in Keras's order."""
        blocks = np.split(value.detach().numpy(), gates)
        return np.concatenate(blocks if cell == "lstm" else [blocks[1], blocks[0], blocks[2]]).T

    def tensors(pick):
        out = {}
        for index, lstm in enumerate(lstms):
            number = f"_{index}" if index else ""
            for way, suffix in zip(ways, ("", "_reverse")):
                layer = f"bidirectional{number}/{way}" if bidirectional else f"{cell}{number}"
                value = lambda key: keras_order(pick(getattr(lstm, key + suffix)))
                out[f"{layer}/kernel"] = value("weight_ih_l0").ravel().tolist()
                out[f"{layer}/recurrent_kernel"] = value("weight_hh_l0").ravel().tolist()
                biases = [value("bias_ih_l0")] if cell == "lstm" else [value("bias_ih_l0"), value("bias_hh_l0")]
                out[f"{layer}/bias"] = np.stack(biases).ravel().tolist()
        out["dense/kernel"] = pick(dense.weight).detach().numpy().T.ravel().tolist()
        out["dense/bias"] = pick(dense.bias).detach().numpy().ravel().tolist()
        return out

    parameters = [p for module in (*lstms, dense) for p in module.parameters() if p.requires_grad]
    # The decay of AdamW and epsilon are large, so that they are seen.
    adam = torch.optim.AdamW(parameters, lr=0.01, betas=(0.9, 0.999), eps=1e-3, weight_decay=weight_decay)
    result = dict(name=name, steps=steps, features=features, units=units, outputs=outputs, rows=rows, loss=loss,
                  levels=levels or [], cell=cell, bidirectional=bidirectional, weight_decay=weight_decay, epsilon=1e-3, learning_rate=0.01, x=x.numpy().ravel().tolist(), y=y.numpy().ravel().tolist(),
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
        for p in parameters:
            if hasattr(p, "untrained"):
                p.grad[: p.untrained] = 0
        adam.step()
    result["weights_after"] = tensors(lambda p: p)
    return result


cases = [
    case("mse", 5, 3, [4, 3], 2, 4, "mse"),
    case("mae, three layers", 3, 2, [3, 2, 4], 3, 5, "mae"),
    case("huber, one layer", 6, 1, [5], 1, 3, "huber"),
    case("pinball", 4, 2, [3, 3], 10, 4, "pinball", [0.05, 0.25, 0.5, 0.75, 0.95]),
    case("AdamW", 4, 2, [3, 2], 2, 4, "mse", weight_decay=2.0),
    case("Student's t", 4, 2, [3], 6, 5, "student_t"),
    case("one direction", 5, 3, [4, 3], 2, 4, "mse", bidirectional=False),
    case("GRU", 5, 3, [4, 3], 2, 4, "mse", cell="gru"),
    case("GRU, one direction, three layers", 4, 2, [3, 17, 2], 3, 6, "mae", cell="gru", bidirectional=False),
]
text = json.dumps(dict(versions=dict(torch=torch.__version__, numpy=np.__version__), cases=cases))
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
