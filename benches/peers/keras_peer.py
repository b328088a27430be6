"""Keras (KERAS_BACKEND says on what): fit, with jit_compile or without, and a compiled call, predict_on_batch or predict, whichever is faster."""
import sys
import keras, numpy as np
from worker import Work, faster, serve

work, backend = Work(sys.argv[1]), keras.backend.backend()


def build(jit):
    layers = [keras.Input((work.steps, work.features))]
    for index, units in enumerate(work.units):
        layers.append(keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=index + 1 < len(work.units))))
        layers.append(keras.layers.Dropout(work.dropout))
    model = keras.Sequential(layers + [keras.layers.Dense(work.outputs)])
    model.set_weights(work.weights())
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse", jit_compile=jit)
    return model


x, y = work.x[: work.windows], work.y[: work.windows]
# On JAX, jit_compile=False is every operation by itself: minutes for an epoch.
models = {jit: build(jit) for jit in ((True, False) if backend == "tensorflow" else (True,))}
epoch = lambda jit: models[jit].fit(x, y, batch_size=work.batch, epochs=1, shuffle=False, verbose=0)
jit = faster(models, epoch)
fresh = build(jit)
calls = {"predict": lambda x: fresh.predict(x, verbose=0, batch_size=512), "predict_on_batch": fresh.predict_on_batch}
if backend == "tensorflow":
    import tensorflow as tf

    compiled = tf.function(lambda x: fresh(x, training=False), jit_compile=False)
    calls["tf.function"] = lambda x: compiled(tf.constant(x)).numpy()
else:
    import jax

    # Copies: `predict` gives the network's own arrays away.
    state = [[jax.numpy.array(v.value) for v in variables] for variables in (fresh.trainable_variables, fresh.non_trainable_variables)]
    compiled = jax.jit(lambda trainable, rest, x: fresh.stateless_call(trainable, rest, x, training=False)[0])
    calls["jax.jit"] = lambda x: np.asarray(compiled(*state, x))
best = {n: faster(calls, lambda name: [calls[name](work.x[:n]) for _ in range(5 if n == 1 else 1)]) for n in (1, 512)}
serve(f"{keras.__version__} on {backend}, jit_compile={jit}, {best[1]} for one forecast, {best[512]} for 512", lambda: epoch(jit), lambda x: calls[best[1 if len(x) == 1 else 512]](x))
