"""Outputs, losses, gradients and three steps of AdamW (or of Adam, without decay) by Keras, for small LSTMs and
GRUs, in both directions or one; the moving average of their weights; and facts about its initialisers.

Writes keras_steps.json. Run: KERAS_BACKEND=jax python keras_steps.py (needs keras, jax and numpy). Computed in float64.
"""
import json, os, pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["JAX_ENABLE_X64"] = "1"
import jax, keras, numpy as np

keras.config.set_floatx("float64")
rng = np.random.default_rng(11)


def case(name, steps, features, units, outputs, rows, loss, cell="lstm", bidirectional=True, weight_decay=0.0):
    layers = [keras.Input((steps, features))]
    for index, u in enumerate(units):
        layer = (keras.layers.LSTM if cell == "lstm" else keras.layers.GRU)(u, return_sequences=index + 1 < len(units))
        layers.append(keras.layers.Bidirectional(layer) if bidirectional else layer)
        layers.append(keras.layers.Dropout(0.0))
    layers.append(keras.layers.Dense(outputs))
    model = keras.Sequential(layers)
    shapes = [w.shape for w in model.trainable_variables]
    model.set_weights([rng.normal(0, 0.4, s).astype(np.float32) for s in shapes])
    x = rng.normal(size=(rows, steps, features)).astype(np.float32).astype(float)
    y = rng.normal(size=(rows, outputs)).astype(np.float32).astype(float)
    objective = {"mse": keras.losses.MeanSquaredError(), "mae": keras.losses.MeanAbsoluteError(), "huber": keras.losses.Huber(delta=0.5)}[loss]
    names = []
    for index in range(len(units)):
        layer = ("bidirectional" if bidirectional else cell) + (f"_{index}" if index else "")
        names += [f"{layer}{d}/{p}" for d in (("/forward", "/backward") if bidirectional else ("",)) for p in ("kernel", "recurrent_kernel", "bias")]
    names += ["dense/kernel", "dense/bias"]
    tensors = lambda values: {n: np.asarray(v, float).ravel().tolist() for n, v in zip(names, values, strict=True)}

    def value_of(trainable):
        out, _ = model.stateless_call(trainable, [v.value for v in model.non_trainable_variables], x, training=True)
        return objective(y, out), out

    trainable = [v.value for v in model.trainable_variables]
    (value, out), gradients = jax.value_and_grad(value_of, has_aux=True)(trainable)
    result = dict(name=name, steps=steps, features=features, units=units, outputs=outputs, rows=rows, loss=loss, levels=[],
                  cell=cell, bidirectional=bidirectional, weight_decay=weight_decay,
                  epsilon=1e-7, learning_rate=0.01, x=x.ravel().tolist(), y=y.ravel().tolist(), weights=tensors(trainable),
                  answers=np.asarray(out).ravel().tolist(), loss_value=float(value), gradients=tensors(gradients))
    if cell == "gru":  # Keras trains both biases of a gate, so that their sum moves twice as fast: PyTorch's goldens train a GRU
        return result
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=weight_decay, use_ema=True, ema_momentum=0.6)
    model.compile(optimizer=optimizer, loss=objective)
    for _ in range(3):
        model.train_on_batch(x, y)
    result["weights_after"] = tensors([v.value for v in model.trainable_variables])
    optimizer.finalize_variable_values(model.trainable_variables)
    result["ema_momentum"], result["ema_after"] = 0.6, tensors([v.value for v in model.trainable_variables])
    return result


cases = [
    case("mse, the original's shape", 5, 3, [4, 3], 2, 4, "mse"),
    case("mae, one layer", 3, 2, [3], 3, 5, "mae"),
    case("huber, three layers", 4, 1, [3, 5, 2], 1, 3, "huber"),
    case("AdamW", 4, 2, [3, 2], 2, 4, "mse", weight_decay=2.0),
    case("one direction", 5, 3, [4, 3], 2, 4, "mse", bidirectional=False),
    case("GRU", 5, 3, [4, 3], 2, 4, "mse", cell="gru"),
    case("GRU, one direction", 4, 2, [3, 17], 3, 6, "mae", cell="gru", bidirectional=False),
]
# Which product of a fresh recurrent kernel is the identity, how far a fresh kernel reaches, what the biases are.
fresh = keras.layers.LSTM(8)
fresh.build((None, 1, 5))
kernel, recurrent, bias = fresh.get_weights()
initialisers = dict(
    recurrent_rows_are_orthonormal=bool(np.allclose(recurrent @ recurrent.T, np.eye(8), atol=1e-6)),
    recurrent_blocks_are_orthonormal=bool(np.allclose(recurrent[:, :8] @ recurrent[:, :8].T, np.eye(8), atol=1e-6)),
    kernel_limit=float(np.sqrt(6 / (5 + 32))), kernel_largest=float(np.abs(kernel).max()), bias=bias.tolist(),
)
text = json.dumps(dict(versions=dict(keras=keras.__version__, jax=jax.__version__, numpy=np.__version__), cases=cases, initialisers=initialisers))
pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")
print(initialisers)
