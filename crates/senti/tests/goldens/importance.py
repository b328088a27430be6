"""Importance by others: groups by SciPy, permutation importance by scikit-learn, integrated gradients by Captum, a forest by scikit-learn.

Writes importance.json. Run: python importance.py (needs numpy, scipy, scikit-learn, torch and captum). All in float64.
"""
import json, pathlib
import captum, numpy as np, scipy, sklearn, torch
from captum.attr import IntegratedGradients
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import norm, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_pinball_loss

LEVELS = [k / 20 for k in range(1, 20)]


def groups():
    """Spearman's correlation, ties included, and groups by average linkage of 1 - |rho|, cut at 0.3."""
    rng = np.random.default_rng(3)
    n = 60
    a, b, c = rng.normal(size=(3, n))
    columns = [a, a + 0.3 * rng.normal(size=n), b, np.exp(-a + 0.2 * rng.normal(size=n)), c, np.round(b + 0.2 * rng.normal(size=n)),
               (c > 0.3).astype(float), rng.normal(size=n), a + 0.9 * b]
    x = np.round(np.array(columns).T, 6)
    rho = spearmanr(x).statistic
    distance = squareform(1 - np.abs(rho), checks=False)
    labels = {method: fcluster(linkage(distance, method), 0.3, "distance").tolist() for method in ["average"]}
    return dict(x=x.tolist(), rho=rho.tolist(), labels=labels["average"])


def permutation():
    """A model whose place and width follow the whole window; each of the four columns is shuffled between windows, path and all.

    scikit-learn shuffles cells of a matrix. Here cell (i, f) is the number of the window whose path of column f window i is given, so
    what it shuffles are whole paths, and what the model is shown tells the order.
    """
    rng = np.random.default_rng(11)
    rows, steps, features, horizon = 44, 3, 4, 2
    matrix = np.round(rng.normal(size=(rows, features)), 6)
    close = np.round(100 * np.exp(np.cumsum(0.02 * rng.normal(size=rows))), 6)
    n = rows - steps + 1 - horizon
    windows = np.stack([matrix[i : i + steps] for i in range(n)])  # (n, T, F)
    last = close[steps - 1 : steps - 1 + n]
    y = np.stack([np.log(close[steps - 1 + h : steps - 1 + h + n] / last) for h in range(1, horizon + 1)], 1)
    place = np.round(0.004 * rng.normal(size=(horizon, steps, features)), 6)
    width = np.round(0.2 * rng.normal(size=(steps, features)), 6)
    spread = np.array([0.02, 0.03])
    z = norm.ppf(LEVELS)
    seen = []

    class Model:
        def fit(self, X, y):
            return self

        def predict(self, X):
            seen.append(np.array(X, dtype=int))
            x = np.stack([windows[X[:, f].astype(int), :, f] for f in range(features)], -1)
            middle = np.einsum("htf,ntf->nh", place, x)
            factor = np.exp(np.einsum("tf,ntf->n", width, x))
            return middle[:, :, None] + factor[:, None, None] * spread[None, :, None] * z

    def score(model, X, y):
        q = model.predict(X)
        crps = [2 * np.mean([mean_pinball_loss(y[:, h], q[:, h, k], alpha=level) for k, level in enumerate(LEVELS)]) for h in range(horizon)]
        return {"1": -crps[0], "2": -crps[1], "all": -np.mean(crps)}

    X = np.tile(np.arange(n)[:, None], (1, features))
    model, repeats = Model().fit(X, y), 5
    base = score(model, X, y)
    seen.clear()
    found = permutation_importance(model, X, y, scoring=score, n_repeats=repeats, random_state=0)
    shown = seen[-features * repeats :]
    # The order is the same for every column: scikit-learn starts each with the same state.
    orders = [shown[r][:, 0].tolist() for r in range(repeats)]
    for f in range(features):
        for r in range(repeats):
            assert shown[f * repeats + r][:, f].tolist() == orders[r]
    lost = {name: (100 * value["importances"] / -base[name]).tolist() for name, value in found.items()}
    return dict(steps=steps, horizon=horizon, matrix=matrix.tolist(), close=close.tolist(), place=place.tolist(), width=width.tolist(),
                spread=spread.tolist(), z=z.tolist(), orders=orders, loss={name: -value for name, value in base.items()}, lost=lost,
                lost_mean={name: np.mean(value, 1).tolist() for name, value in lost.items()},
                lost_std={name: np.std(value, 1).tolist() for name, value in lost.items()})


def gradients():
    """Median and width of an LSTM's quantiles, mean over steps, attributed to features and days."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(5)
    steps, features, units, horizon, rows, nodes, rate = 6, 3, [5, 4], 2, 4, 32, 0.5
    levels, scale = [0.05, 0.25, 0.5, 0.75, 0.95], [0.04, 0.07]
    lstms, width = [], features
    single = lambda shape, size: torch.from_numpy(rng.normal(0, size, tuple(shape)).astype(np.float32)).double()
    for u in units:
        lstm = torch.nn.LSTM(width, u, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for key, value in lstm.named_parameters():
                value.copy_(torch.zeros_like(value) if "bias_hh" in key else single(value.shape, 0.5))
        lstms.append(lstm)
        width = 2 * u
    dense = torch.nn.Linear(width, horizon * len(levels))
    with torch.no_grad():
        for value in dense.parameters():
            value.copy_(single(value.shape, 0.5))
    x = single((rows, steps, features), 1.0)

    def numbers(x):
        h = x
        for lstm in lstms:
            h, final = lstm(h)
        z = dense(torch.cat(list(final[0]), dim=1)).reshape(-1, horizon, len(levels))
        middle = len(levels) // 2
        gaps = torch.nn.functional.softplus(z, threshold=100)
        median = rate * z[..., middle]
        half = gaps[..., middle + 1 :].sum(-1) + gaps[..., :middle].sum(-1)
        factor = torch.tensor(scale)
        return torch.stack([(factor * median).mean(-1), (factor * half).mean(-1)], -1)

    result = {}
    for target, name in enumerate(["median", "width"]):
        explain = IntegratedGradients(numbers)
        values, delta = explain.attribute(x, baselines=torch.zeros_like(x), target=target, n_steps=nodes, method="gausslegendre",
                                          return_convergence_delta=True)
        result[name] = dict(attributions=values.detach().numpy().ravel().tolist(), delta=delta.tolist(),
                            at_input=numbers(x)[:, target].tolist(), at_baseline=numbers(torch.zeros_like(x))[:, target].tolist())
    weights = {}
    for index, lstm in enumerate(lstms):
        number = f"_{index}" if index else ""
        for way, suffix in [("forward", ""), ("backward", "_reverse")]:
            layer = f"bidirectional{number}/{way}"
            value = lambda key: getattr(lstm, key + suffix).detach().numpy()
            weights[f"{layer}/kernel"] = value("weight_ih_l0").T.ravel().tolist()
            weights[f"{layer}/recurrent_kernel"] = value("weight_hh_l0").T.ravel().tolist()
            weights[f"{layer}/bias"] = value("bias_ih_l0").ravel().tolist()
    weights["dense/kernel"] = dense.weight.detach().numpy().T.ravel().tolist()
    weights["dense/bias"] = dense.bias.detach().numpy().ravel().tolist()
    at, weight = np.polynomial.legendre.leggauss(nodes)
    return dict(steps=steps, features=features, units=units, horizon=horizon, rows=rows, nodes=nodes, levels=levels, rate=rate, scale=scale,
                x=x.numpy().ravel().tolist(), weights=weights, at=((at + 1) / 2).tolist(), weight=(weight / 2).tolist(), **result)


def forest():
    """Impurity importance on a fixed data set: the mean of 20 forests of 100 trees, and how much one of them differs."""
    rng = np.random.default_rng(17)
    n = 250
    x = np.round(rng.normal(size=(n, 6)), 4)
    y = np.round(3 * np.sin(x[:, 0]) + 1.5 * x[:, 1] * (x[:, 2] > 0) + 0.8 * x[:, 3] + 0.5 * rng.normal(size=n), 4)
    all = np.array([RandomForestRegressor(n_estimators=100, random_state=seed).fit(x, y).feature_importances_ for seed in range(20)])
    return dict(x=x.tolist(), y=y.tolist(), mean=all.mean(0).tolist(), std=all.std(0, ddof=1).tolist(),
                ranking=np.argsort(-all.mean(0)).tolist())


versions = dict(numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__, torch=torch.__version__, captum=captum.__version__)
print(versions)
document = dict(versions=versions, groups=groups(), permutation=permutation(), gradients=gradients(), forest=forest())
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(document) + "\n")
