"""Functions of models and of metrics called with labels and images that they cannot take, each with
the message of its `ValueError`. Nothing is compiled: what lies in host memory is looked at first.
"""

from functools import cache, partial

import numpy as np

from genjax import gan, images, metrics, vae
from genjax.nn.labels import check_labels

SHAPE = {'image_shape': (8, 8, 1), 'num_classes': 10}
PALE = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 8, 8, 1)
CODES = np.linspace(0, 1, 400).reshape(200, 2)
FACTORS = np.stack([np.arange(200) % 2, np.arange(200) // 50], axis=1)
NONE = 'expected labels y in [0, 10), got values in '
UNITS = 'expected float images in [-1, 1], got values in [0, 1], which look like [0, 1]: '
BYTES = 'expected float images in [-1, 1], got values in [0, 255], which look like [0, 255]: '
MAP = 'use genjax.images.to_unit(x, (0, 1)), or jax.numpy.asarray(x) if they are in [-1, 1]'
SAY = 'say value_range=(0, 1), or (-1, 1) if they are'


@cache
def model(family):
    return gan.gan(**SHAPE) if family == 'gan' else vae.vae(**SHAPE)


def batch(**others):
    return {'x': np.zeros((2, 8, 8, 1), np.uint8), 'y': np.arange(2)} | others


def of(family, name, *args, **options):
    """A call of a function of a model, without its state."""
    return lambda: getattr(model(family), name)(None, *args, **options)


def labelled(y):
    """Each function of a model that takes labels."""
    of_gan, of_vae = partial(of, 'gan'), partial(of, 'vae')
    wrong, x, z = batch(y=y), batch()['x'], np.zeros((2, 100), np.float32)
    return {
        'gan.train_step': of_gan('train_step', wrong),
        'gan.sample': of_gan('sample', None, 2, y=y),
        'gan.generate': of_gan('generate', z, y),
        'gan.score': of_gan('score', x, y),
        'vae.train_step': of_vae('train_step', wrong),
        'vae.sample': of_vae('sample', None, 2, y),
        'vae.encode': of_vae('encode', x, y=y),
        'vae.decode': of_vae('decode', z, y),
        'vae.evaluate': of_vae('evaluate', None, wrong),
        'vae.importance_sampling': of_vae('importance_sampling', None, wrong, 5),
        'vae.log_likelihood': of_vae('log_likelihood', None, batch=wrong),
        'vae.log_joint': of_vae('log_joint', None, wrong, z[None]),
    }


def pale(x):
    """Each function of a model that takes images."""
    y, z = np.arange(2), np.zeros((1, 2, 20), np.float32)
    return {
        'gan.train_step': of('gan', 'train_step', batch(x=x)),
        'gan.score': of('gan', 'score', x, y),
        'vae.train_step': of('vae', 'train_step', batch=batch(x=x)),
        'vae.encode': of('vae', 'encode', x, y),
        'vae.evaluate': of('vae', 'evaluate', None, batch(x=x)),
        'vae.importance_sampling': of('vae', 'importance_sampling', None, batch(x=x)),
        'vae.log_joint': of('vae', 'log_joint', None, batch(x=x), z),
    }


def disentangled(codes=CODES, factors=FACTORS, score=metrics.mig):
    return lambda: score(codes, factors)


EXTRACTOR = metrics.of_function('pixels', lambda x: x)
FUNCTIONS = {
    **{f'a label 10 in {n}': (f, NONE + '[3, 10]') for n, f in labelled(np.int32([3, 10])).items()},
    **{f'[0, 1] in {name}': (act, UNITS + MAP) for name, act in pale(PALE).items()},
    'a list of labels': (of('gan', 'sample', None, 2, y=[99, 98]), NONE + '[98, 99]'),
    'one label': (of('gan', 'sample', None, 2, y=99), NONE + '[99, 99]'),
    'a negative label': (of('vae', 'decode', PALE[:, 0, 0], np.int8([-1, 0])), NONE + '[-1, 0]'),
    'a label beyond 32 bits': (
        lambda: check_labels(np.int64([2**32]), 1, 10),
        NONE + '[4294967296, 4294967296]',
    ),
    '[0, 255] in a step': (
        of('gan', 'train_step', batch(x=255 * PALE)),
        BYTES + 'use genjax.images.to_unit(x, (0, 255))',
    ),
    'images that reach too far': (
        of('gan', 'train_step', batch(x=3 * PALE - 1)),
        'expected float images in [-1, 1], got values in [-1, 2]: clip them, or say their range',
    ),
    '[0, 1] in extract': (lambda: metrics.extract(EXTRACTOR, PALE), UNITS + SAY),
    '[0, 255] in extract': (
        lambda: metrics.extract(EXTRACTOR, 255 * PALE),
        BYTES + 'say value_range=(0, 255)',
    ),
    'black images': (
        lambda: metrics.extract(EXTRACTOR, 0 * PALE),
        UNITS.replace('values in [0, 1]', 'values in [0, 0]') + SAY,
    ),
    'another range than was said': (
        lambda: metrics.spectrum(255 * PALE, (0, 1)),
        'expected images in [0, 1], got values in [0, 255]: clip them, or say their range',
    ),
    'no range': (
        lambda: metrics.spectrum(PALE, (1, 0)),
        'expected a value_range (low, high) with low < high, got (1, 0)',
    ),
    'NaN in extract': (
        lambda: metrics.extract(EXTRACTOR, np.nan * PALE),
        'expected float images in [-1, 1], got NaN or infinity',
    ),
    'a file of floats in [0, 1]': (
        lambda: images.check_floats(0, 1, 'cats.npz'),
        f'cats.npz: {UNITS}{SAY}',
    ),
    'few codes': (
        disentangled(CODES[:99], FACTORS[:99]),
        'expected codes [n >= 100, d >= 1], got [99, 2]',
    ),
    'a code that is NaN': (
        disentangled(np.where(CODES == 0, np.nan, CODES)),
        'expected finite codes, got NaN or infinity in 1 rows of them',
    ),
    'factors of other rows': (
        disentangled(factors=FACTORS[:150]),
        'expected as many rows of factors as of codes, got 150 and 200',
    ),
    'one factor as a vector': (
        disentangled(factors=FACTORS[:, 0]),
        'expected factors [n >= 1, d >= 1], got [200]',
    ),
    'factors that are no integers': (
        disentangled(factors=FACTORS * 0.5),
        'expected factors of integers, got float64',
    ),
    'factors that do not vary': (
        disentangled(factors=FACTORS * [1, 0]),
        'expected factors that vary, got one value in the columns [1]',
    ),
    'one bin': (lambda: metrics.mig(CODES, FACTORS, 1), 'expected bins >= 2, got 1'),
    **{
        f'one factor alone, {score.__name__}': (
            disentangled(factors=FACTORS[:, :1], score=partial(score, *key)),
            'expected two factors or more to tell apart, got 1',
        )
        for score, key in (
            (metrics.modularity, ()),
            (metrics.dci, (None,)),
            (metrics.beta_vae_score, (None,)),
            (metrics.factor_vae_score, (None,)),
        )
    },
    'no two rows that agree': (
        lambda: metrics.factor_vae_score(None, CODES, FACTORS + [[0, i] for i in range(200)]),
        'expected rows that agree in each factor, got 200 different values in the columns [1]',
    ),
    'one point': (
        lambda: metrics.beta_vae_score(None, CODES, FACTORS, 1),
        'expected points >= 2, got 1',
    ),
    'no trees': (lambda: metrics.dci(None, CODES, FACTORS, 0), 'expected trees >= 1, got 0'),
    'a continuous factor that is not there': (
        lambda: metrics.sap(None, CODES, FACTORS, (0, 2)),
        'expected continuous columns below 2, got [2]',
    ),
}
