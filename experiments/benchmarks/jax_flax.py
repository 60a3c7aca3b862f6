"""The VAE of Flax's examples, written as it is there: it knows nothing of genjax."""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.training.train_state import TrainState
from jax import lax

from experiments.benchmarks.jax_common import counted
from experiments.benchmarks.task import Task


class Example(nn.Module):
    """The VAE of Flax's example: `(x [b, 784], key) -> (logits, mean, log_var)`."""

    hidden: int = 500
    latent_dim: int = 20

    @nn.compact
    def __call__(self, x, key):
        h = nn.relu(nn.Dense(self.hidden)(x))
        mean, log_var = nn.Dense(self.latent_dim)(h), nn.Dense(self.latent_dim)(h)
        z = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_var)
        return nn.Dense(x.shape[-1])(nn.relu(nn.Dense(self.hidden)(z))), mean, log_var


def example_loss(logits, x, mean, log_var):
    """Cross entropy as the example computes it, by `log_sigmoid` and `expm1`, plus the KL."""
    log_p = nn.log_sigmoid(logits)
    entropy = -jnp.sum(x * log_p + (1 - x) * jnp.log(-jnp.expm1(log_p)), axis=1)
    kl = -0.5 * jnp.sum(1 + log_var - jnp.square(mean) - jnp.exp(log_var), axis=1)
    return jnp.mean(entropy) + jnp.mean(kl)


def train_step(state, x, key):
    """One update on images [b, 784] in [0, 1]."""

    def loss(params):
        logits, mean, log_var = state.apply_fn({'params': params}, x, key)
        return example_loss(logits, x, mean, log_var)

    return state.apply_gradients(grads=jax.grad(loss)(state.params))


def steps(hidden: int = 500, batch: int = 128, times: int = 100, scanned: bool = False) -> Task:
    """The example's loop: a jitted step, called with a key split off.

    Args:
      hidden: size of the hidden layers.
      batch: images.
      times: steps in a run.
      scanned: as a scan with donated state, which the example does not do.
    """
    module, x = Example(hidden), jax.random.uniform(jax.random.key(1), (batch, 784))
    params = module.init(jax.random.key(0), x, jax.random.key(2))['params']
    state = TrainState.create(apply_fn=module.apply, params=params, tx=optax.adam(1e-3))

    def many(state, x, key):
        keys = jax.random.split(key, times)
        return lax.scan(lambda state, key: (train_step(state, x, key), None), state, keys)[0]

    start = time.perf_counter()
    jitted = jax.jit(many, donate_argnums=0) if scanned else jax.jit(train_step)
    compiled = jitted.lower(state, x, jax.random.key(3)).compile()
    facts = {
        'compile_s': time.perf_counter() - start,
        'compiled_flops': counted(compiled),
        'parameters': sum(leaf.size for leaf in jax.tree.leaves(params)),
    }
    held = [state, jax.random.key(4)]

    def run():
        state, key = held
        for _ in range(1 if scanned else times):
            key, use = jax.random.split(key)
            state = jitted(state, x, use)
        held[:] = state, key
        jax.block_until_ready(state.params)

    return Task(run, times, facts)
