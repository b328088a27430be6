"""Coefficients and intercepts of scikit-learn's Ridge on small tables, one with a huge mean.

Writes ridge.json. Run: python ridge.py (needs scikit-learn and numpy).
"""
import json, pathlib
import numpy as np, sklearn
from sklearn.linear_model import Ridge

rng = np.random.default_rng(3)


def case(n, p, h, alpha, offset):
    x = np.round(rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) / p + offset, 6)
    y = np.round(x @ rng.normal(size=(p, h)) + rng.normal(size=(n, h)), 6)
    fit = Ridge(alpha=alpha, solver="svd").fit(x, y)
    return dict(n=n, p=p, h=h, alpha=alpha, x=x.ravel().tolist(), y=y.ravel().tolist(),
                coefficients=fit.coef_.reshape(h, p).T.ravel().tolist(), intercept=np.ravel(fit.intercept_).tolist())


cases = [case(20, 3, 2, 1.0, 0), case(70, 9, 1, 0.01, 5), case(150, 17, 4, 10.0, -2), case(40, 5, 3, 0.1, 1000.0)]
versions = dict(sklearn=sklearn.__version__, numpy=np.__version__)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(dict(versions=versions, cases=cases)) + "\n")
