"""What is wrong to ask of an exported VAE of `[4, 4, 1]` images, two latents and three classes.

Each with the whole message of its `ValueError`.
"""

import jax
import numpy as np

KEY, Z, Y = jax.random.key(0), np.zeros((3, 2)), np.zeros(3, int)

INPUTS = {
    'no samples': (lambda model: model.sample(KEY, 0), 'expected n to be an integer >= 1, got 0'),
    'half a sample': (
        lambda model: model.sample(KEY, 2.5),
        'expected n to be an integer >= 1, got 2.5',
    ),
    'no latents': (
        lambda model: model.decode(Z[:0], Y[:0]),
        'expected n >= 1 examples, got an array of (0, 2)',
    ),
    'longer latents': (
        lambda model: model.decode(np.zeros((3, 4)), Y),
        'expected latents z [n, 2], got (3, 4)',
    ),
    'latents of one image': (
        lambda model: model.decode(Z[0], Y),
        'expected latents z [n, 2], got (2,)',
    ),
    'larger images': (
        lambda model: model.encode(np.zeros((3, 8, 8, 1), np.uint8), Y),
        'expected images [b, 4, 4, 1], got (3, 8, 8, 1)',
    ),
    'no images': (
        lambda model: model.encode(np.zeros((0, 4, 4, 1), np.uint8), Y[:0]),
        'expected n >= 1 examples, got an array of (0, 4, 4, 1)',
    ),
    'no labels': (
        lambda model: model.decode(Z),
        'expected labels y [3] of 3 classes, got none',
    ),
    'too few labels': (
        lambda model: model.decode(Z, [0, 1]),
        'expected integer labels y [3], got int64 (2,)',
    ),
    'one label for all': (
        lambda model: model.sample(KEY, 3, y=1),
        'expected integer labels y [3], got int64 ()',
    ),
    'labels of classes that there are not': (
        lambda model: model.sample(KEY, 3, y=[0, 99, 3]),
        'expected labels y in [0, 3), got values in [0, 99]',
    ),
    'a label that int32 takes for another': (
        lambda model: model.decode(Z, np.full(3, 2**32 + 1)),
        'expected labels y in [0, 3), got values in [4294967297, 4294967297]',
    ),
    'a negative label': (
        lambda model: model.decode(Z, [0, -1, 1]),
        'expected labels y in [0, 3), got values in [-1, 1]',
    ),
    'labels as text': (
        lambda model: model.decode(Z, ['cat', 'dog', 'cat']),
        'expected integer labels y [3], got <U3 (3,)',
    ),
    'labels as floats': (
        lambda model: model.decode(Z, [0.0, 1.0, 2.0]),
        'expected integer labels y [3], got float64 (3,)',
    ),
}
