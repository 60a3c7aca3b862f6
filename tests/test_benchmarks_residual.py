"""Steps of SNGAN and R3GAN against their twins in PyTorch."""

import jax
import numpy as np
import pytest

from experiments.benchmarks import jax_gan
from genjax.random import step_key, stream
from tests.test_benchmarks import conv, put

BATCH = 4


def first(kernel):
    """A dense kernel onto a map of 4x4, whose outputs PyTorch has channels first."""
    return kernel.reshape(len(kernel), 16, -1).swapaxes(1, 2).reshape(len(kernel), -1).T


class Copied:
    """Puts the layers of a genjax network into those of its twin.

    Args:
      torch: the module.
      net: a `Net`.
    """

    def __init__(self, torch, net):
        self.torch, self.net, self.seen, self.normed = torch, net, {}, []

    def next(self, kind):
        i = self.seen[kind] = self.seen.get(kind, -1) + 1
        return f'{kind}_{i}', self.net.params[f'{kind}_{i}']

    def __call__(self, layer, kind='Conv', change=conv):
        """The next layer of a kind, its singular vectors with it where it has them."""
        name, leaves = self.next(kind)
        spectral = hasattr(layer, 'parametrizations')
        weight = layer.parametrizations.weight.original if spectral else layer.weight
        put(self.torch, weight, change(leaves['kernel']))
        if layer.bias is not None:
            bias = leaves['bias']
            # That of a map is a value for each position of it: zeros, to begin with.
            put(self.torch, layer.bias, np.zeros(layer.bias.shape) if change is first else bias)
        if spectral:
            self.normed.append((layer, f'{name}.kernel', leaves['kernel'].shape, change))

    def vectors(self, net):
        """The singular vectors of a state of the network."""
        for layer, name, shape, change in self.normed:
            found = net.stats['spectral'][name]
            spectrum = layer.parametrizations.weight[0]
            put(self.torch, spectrum._u, found.u)
            put(self.torch, spectrum._v, change(np.reshape(found.v, (*shape[:-1], 1))).ravel())

    def norm(self, layer):
        _, leaves = self.next('BatchNorm')
        put(self.torch, layer.weight, leaves['scale'])
        put(self.torch, layer.bias, leaves['bias'])


def dense(kernel):
    return np.transpose(kernel)


def copy_sngan(torch, nets, step):
    g = Copied(torch, nets['generator'])
    g(step.g.first, 'Dense', first)
    for block in step.g.blocks:
        g.norm(block.norms[0])
        g(block.convs[0], 'UpConv')
        g(block.way)
        g.norm(block.norms[1])
        g(block.convs[1])
    g.norm(step.g.norm)
    g(step.g.last)
    d = Copied(torch, nets['discriminator'])
    for block in step.d.blocks:
        d(block.convs[0])
        d(block.convs[1], 'DownConv' if block.down else 'Conv')
        if block.down:
            d(block.way)
    d(step.d.last, 'Dense', dense)
    return d.vectors


def copy_r3gan(torch, nets, step):
    from experiments.benchmarks.torch_residual import Inverted

    for name, twin in (('generator', step.g), ('discriminator', step.d)):
        copied = Copied(torch, nets[name])
        for layer in twin.layers:
            if isinstance(layer, Inverted):
                _, block = copied.next('_Block')
                within = Copied(torch, nets[name].replace(params=block))
                within(layer.wider)
                within(layer.back)
                put(torch, layer.grouped.weight, conv(block['kernel']))
                for i, bias in enumerate(layer.biases):
                    put(torch, bias, np.reshape(block[f'bias_{i}'], (1, -1, 1, 1)))
            elif isinstance(layer, torch.nn.Conv2d):
                copied(layer)
    params = nets['generator'].params
    put(torch, step.g.base, np.transpose(params['base'], (2, 0, 1))[None])
    put(torch, step.g.first.weight, dense(params['Dense_0']['kernel']))
    params = nets['discriminator'].params
    put(torch, step.d.kernel, np.transpose(params['kernel'], (2, 0, 1))[None])
    put(torch, step.d.last.weight, dense(params['Dense_0']['kernel']))
    return lambda net: None


@pytest.mark.parametrize('tuning', [{}, {'channels_last': True, 'fused': True}], ids=str)
@pytest.mark.parametrize('method', ['sngan', 'r3gan'])
def test_a_step_is_that_of_pytorch(method, tuning):
    """Losses of three steps from the same weights, on the same images and noise."""
    torch = pytest.importorskip('torch')
    from experiments.benchmarks import torch_residual
    from experiments.benchmarks.torch_common import Tuning

    make, latent_dim = torch_residual.METHODS[method]
    gan, key, step = jax_gan.residual_model(method, 8), jax.random.key(3), make(8, Tuning(**tuning))
    state = jax.jit(gan.init)(key)
    copy = {'sngan': copy_sngan, 'r3gan': copy_r3gan}[method]
    vectors = copy(torch, state.nets, step)
    # Ours looks at real images in either update, if only to iterate, and keeps the vectors of the
    # discriminator's alone.
    step.losses = step.losses._replace(paired=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        vectors(state.nets['discriminator'])
        x = rng.uniform(-1, 1, (BATCH, 32, 32, 3)).astype(np.float32)
        z = np.array(jax.random.normal(stream(step_key(key, i), 'z'), (BATCH, latent_dim)))
        state, metrics = gan.train_step(state, {'x': x})
        ours = [metrics[f'{name}/loss'] for name in ('discriminator', 'generator')]
        real = step.tuning.images(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        theirs = step(real, torch.from_numpy(z))
        np.testing.assert_allclose(ours, [loss.item() for loss in theirs], rtol=2e-4, atol=1e-5)
