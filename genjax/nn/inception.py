"""Inception-v3 of 2015-12-05, by whose features FID, KID and the Inception score see images.

The graph is TensorFlow's, as pytorch-fid and torch-fidelity have it: mean pools do not count what
they are padded with, and the last block has a max pool where the paper has a mean pool.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from genjax.nn.conv import Conv
from genjax.nn.norm import BatchNorm

SIZE = 299


class Unit(nn.Module):
    """Convolution without a bias, batch norm with running statistics, ReLU."""

    features: int
    kernel: tuple[int, int] = (1, 1)
    strides: int = 1
    padding: str = 'SAME'

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h2 w2 features']:
        x = Conv(
            self.features, self.kernel, self.strides, self.padding, use_bias=False, name='conv'
        )(x)
        return nn.relu(BatchNorm(epsilon=1e-3, name='bn')(x, train=False))


_Halving = functools.partial(Unit, kernel=(3, 3), strides=2, padding='VALID')


def _through(x: Array, *layers: Callable[[Array], Array]) -> Array:
    """One layer after the other."""
    return functools.reduce(lambda y, layer: layer(y), layers, x)


def _join(*branches: Array) -> Array:
    return jnp.concatenate(branches, -1)


def _mean_pool(x: Array) -> Array:
    return nn.avg_pool(x, (3, 3), (1, 1), 'SAME', count_include_pad=False)


def _max_pool(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), (1, 1), 'SAME')


def _halving_pool(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), (2, 2))


def _fork(name: str) -> Callable[[Array], Array]:
    """A row and a column of three taps, side by side."""

    def apply(x):
        return _join(Unit(384, (1, 3), name=f'{name}a')(x), Unit(384, (3, 1), name=f'{name}b')(x))

    return apply


class InceptionA(nn.Module):
    """Of 35 x 35 pixels."""

    pool_features: int

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h w features']:
        return _join(
            Unit(64, name='branch1x1')(x),
            _through(x, Unit(48, name='branch5x5_1'), Unit(64, (5, 5), name='branch5x5_2')),
            _through(
                x,
                Unit(64, name='branch3x3dbl_1'),
                Unit(96, (3, 3), name='branch3x3dbl_2'),
                Unit(96, (3, 3), name='branch3x3dbl_3'),
            ),
            _through(x, _mean_pool, Unit(self.pool_features, name='branch_pool')),
        )


class InceptionB(nn.Module):
    """From 35 x 35 to 17 x 17 pixels."""

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h2 w2 features']:
        return _join(
            _Halving(384, name='branch3x3')(x),
            _through(
                x,
                Unit(64, name='branch3x3dbl_1'),
                Unit(96, (3, 3), name='branch3x3dbl_2'),
                _Halving(96, name='branch3x3dbl_3'),
            ),
            _halving_pool(x),
        )


class InceptionC(nn.Module):
    """Of 17 x 17 pixels."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h w 768']:
        c = self.features
        return _join(
            Unit(192, name='branch1x1')(x),
            _through(
                x,
                Unit(c, name='branch7x7_1'),
                Unit(c, (1, 7), name='branch7x7_2'),
                Unit(192, (7, 1), name='branch7x7_3'),
            ),
            _through(
                x,
                Unit(c, name='branch7x7dbl_1'),
                Unit(c, (7, 1), name='branch7x7dbl_2'),
                Unit(c, (1, 7), name='branch7x7dbl_3'),
                Unit(c, (7, 1), name='branch7x7dbl_4'),
                Unit(192, (1, 7), name='branch7x7dbl_5'),
            ),
            _through(x, _mean_pool, Unit(192, name='branch_pool')),
        )


class InceptionD(nn.Module):
    """From 17 x 17 to 8 x 8 pixels."""

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h2 w2 features']:
        return _join(
            _through(x, Unit(192, name='branch3x3_1'), _Halving(320, name='branch3x3_2')),
            _through(
                x,
                Unit(192, name='branch7x7x3_1'),
                Unit(192, (1, 7), name='branch7x7x3_2'),
                Unit(192, (7, 1), name='branch7x7x3_3'),
                _Halving(192, name='branch7x7x3_4'),
            ),
            _halving_pool(x),
        )


class InceptionE(nn.Module):
    """Of 8 x 8 pixels."""

    pool: Callable[[Array], Array]

    @nn.compact
    def __call__(self, x: Float[Array, 'n h w c']) -> Float[Array, 'n h w 2048']:
        return _join(
            Unit(320, name='branch1x1')(x),
            _through(x, Unit(384, name='branch3x3_1'), _fork('branch3x3_2')),
            _through(
                x,
                Unit(448, name='branch3x3dbl_1'),
                Unit(384, (3, 3), name='branch3x3dbl_2'),
                _fork('branch3x3dbl_3'),
            ),
            _through(x, self.pool, Unit(192, name='branch_pool')),
        )


class Inception(nn.Module):
    """Features, the mean over the last pixels, and logits of classes.

    Layers are called as in PyTorch's state dict. Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, 'n 299 299 3']
    ) -> tuple[Float[Array, 'n 2048'], Float[Array, 'n 1008']]:
        x = _through(
            x,
            _Halving(32, name='Conv2d_1a_3x3'),
            Unit(32, (3, 3), padding='VALID', name='Conv2d_2a_3x3'),
            Unit(64, (3, 3), name='Conv2d_2b_3x3'),
            _halving_pool,
            Unit(80, name='Conv2d_3b_1x1'),
            Unit(192, (3, 3), padding='VALID', name='Conv2d_4a_3x3'),
            _halving_pool,
            InceptionA(32, name='Mixed_5b'),
            InceptionA(64, name='Mixed_5c'),
            InceptionA(64, name='Mixed_5d'),
            InceptionB(name='Mixed_6a'),
            InceptionC(128, name='Mixed_6b'),
            InceptionC(160, name='Mixed_6c'),
            InceptionC(160, name='Mixed_6d'),
            InceptionC(192, name='Mixed_6e'),
            InceptionD(name='Mixed_7a'),
            InceptionE(_mean_pool, name='Mixed_7b'),
            InceptionE(_max_pool, name='Mixed_7c'),
        )
        features = jnp.mean(x, axis=(1, 2))
        return features, nn.Dense(1008, name='fc')(features)
