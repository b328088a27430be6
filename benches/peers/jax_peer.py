"""JAX: W·x of all steps in one product, lax.scan over the steps, jit; whole epochs or single steps compiled, whichever is faster."""
import sys
from functools import partial
import jax, jax.numpy as jnp, numpy as np
from worker import Work, faster, serve

work = Work(sys.argv[1])
start = [jnp.asarray(t) for t in work.weights()]


def lstm(x, kernel, recurrent, bias, reverse, unroll):
    """x (T, B, F) -> h of all steps (T, B, U)"""
    def step(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[1], recurrent.shape[0]), jnp.float32)
    return jax.lax.scan(step, (zero, zero), x @ kernel + bias, reverse=reverse, unroll=unroll)[1]


def forward(p, x, key, unroll):
    x = jnp.swapaxes(x, 0, 1)
    for layer in range(len(work.units)):
        ways = [lstm(x, *p[6 * layer + 3 * d : 6 * layer + 3 * d + 3], bool(d), unroll) for d in (0, 1)]
        last = layer + 1 == len(work.units)
        x = jnp.concatenate([ways[0][-1], ways[1][0]] if last else ways, axis=-1)
        if key is not None:
            key, now = jax.random.split(key)
            x = jnp.where(jax.random.bernoulli(now, 1 - work.dropout, x.shape), x / (1 - work.dropout), 0)
    return x @ p[-2] + p[-1]


def train(state, batch, unroll):
    p, m, v, t, key = state
    key, now = jax.random.split(key)
    x, y = batch
    g = jax.grad(lambda p: jnp.mean((forward(p, x, now, unroll) - y) ** 2))(p)
    t = t + 1
    m = [0.9 * m + 0.1 * g for m, g in zip(m, g)]
    v = [0.999 * v + 0.001 * g * g for v, g in zip(v, g)]
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    p = [p - rate * m / (jnp.sqrt(v) + 1e-7) for p, m, v in zip(p, m, v)]
    return (p, m, v, t, key), None


x = jnp.asarray(work.x[: work.windows].reshape(-1, work.batch, work.steps, work.features))
y = jnp.asarray(work.y[: work.windows].reshape(-1, work.batch, work.outputs))
zeros = [jnp.zeros_like(p) for p in start]
state = (start, zeros, zeros, jnp.float32(0), jax.random.key(0, impl="rbg"))
one_step = jax.jit(train, static_argnums=2)
whole = jax.jit(lambda state, x, y, unroll: jax.lax.scan(partial(train, unroll=unroll), state, (x, y))[0], static_argnums=3)


def epoch(setting):
    global state
    mode, unroll = setting
    if mode == "epoch":
        state = whole(state, x, y, unroll)
    else:
        for index in range(len(x)):
            state, _ = one_step(state, (x[index], y[index]), unroll)
    jax.block_until_ready(state[:4])


best = faster([("step", 1), ("step", 5), ("epoch", 1)], epoch)
answer = jax.jit(lambda p, x: forward(p, x, None, best[1]))
serve(f"{jax.__version__}, a whole {best[0]} compiled, scan unrolled {best[1]}", lambda: epoch(best), lambda x: np.asarray(answer(start, x)))
