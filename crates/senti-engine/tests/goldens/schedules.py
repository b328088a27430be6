"""What Keras's EarlyStopping and ReduceLROnPlateau do with lists of validation losses, and the curve of its CosineDecay.

Writes schedules.json. Run: KERAS_BACKEND=jax python schedules.py (needs keras and jax).
"""
import json, math, os, pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

series = {
    "falls": [5, 4, 3, 2, 1],
    "plateau": [3, 2, 2.5, 2.1, 2.2, 2.05, 2.01, 2.5, 2.6, 2.0001, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4],
    "late": [3, 4, 4, 2, 4, 4, 4, 1, 2, 2, 2, 2],
    "tiny steps": [1, 0.99995, 0.9999, 0.99985, 0.9998, 0.9, 0.89995, 0.8999, 0.89985, 0.8998, 0.89975],
    "nan": [2, 1, math.nan, math.nan, 1.5, 0.5, math.nan, math.nan, math.nan, math.nan],
}


def run(losses, patience, min_delta, factor, plateau_patience, cooldown):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, min_delta=min_delta, mode="min")
    reduce = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=factor, patience=plateau_patience, min_lr=1e-4, cooldown=cooldown, mode="min")
    rates, stopped, best = [], None, []
    for callback in (stop, reduce):
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        for callback in (stop, reduce):
            callback.on_epoch_end(epoch, dict(val_loss=loss))
        rates.append(float(model.optimizer.learning_rate))
        best.append(None if math.isinf(stop.best) else float(stop.best))
        if stop.stopped_epoch and stopped is None:
            stopped = epoch
    return dict(losses=[None if math.isnan(l) else l for l in losses], patience=patience, min_delta=min_delta, factor=factor,
                plateau_patience=plateau_patience, cooldown=cooldown, stopped=stopped, best=best, learning_rates=rates)


cases = [run(losses, *settings) for losses in series.values() for settings in [(3, 0.0, 0.2, 2, 0), (2, 0.01, 0.5, 3, 2), (1, 0.0, 0.1, 1, 1), (15, 0.0, 0.2, 5, 0)]]
curves = [dict(initial_learning_rate=a, decay_steps=n, alpha=alpha, warmup_target=target, warmup_steps=warm,
               rates=[float(keras.optimizers.schedules.CosineDecay(a, n, alpha, warmup_target=target, warmup_steps=warm)(step)) for step in range(25)])
          for a, n, alpha, target, warm in [(0.1, 10, 0.0, None, 0), (0.01, 20, 0.1, None, 0), (0.0, 8, 0.05, 0.2, 5), (0.01, 7, 0.0, 0.05, 3)]]
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(dict(versions=dict(keras=keras.__version__), cases=cases, curves=curves)) + "\n")
