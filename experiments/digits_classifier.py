"""The classifier of digits that comes with genjax, `genjax.metrics.digits`.

    python -m experiments.digits_classifier --out digits.safetensors [--mnist FOLDER]
    (under five minutes on 2 cores)

It trains on the 4,500 of the embedded digits that `genjax.data.split` does not hold out, and
writes the weights in float16, with how they came about and how often they are right in the
metadata. To ship another file, put it beside `genjax/metrics/classifier.py` and its SHA-256, which
is printed, into it. FOLDER holds MNIST's idx files; the embedded digits are of MNIST's training
set, so the 10,000 test images are new to the classifier.

The file that is shipped: right on 99.2% of the 500 held-out digits and on 99.05% of MNIST's test
images, 98.0% (7) to 99.7% (0) of each class; 356,492 bytes; 280 s of two cores with AVX2 (jax
0.10.2). After 200 steps it was 98.0% and 97.98%. Of 26,000 stacked triples of the test images
(`genjax.data.stacked`, seed 0) it names 97.2% right, finds 1000 modes and KL 0.02496, where their
own labels have 0.02536 and even draws 0.02004 nats.
"""

import hashlib
import time
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from genjax import augment, data
from genjax.core import Net
from genjax.exports.tensors import pack
from genjax.metrics import accuracy, of_classifier, train_classifier

STEPS = 1500


def trained(train: data.Dataset, seed: int = 0, steps: int = STEPS) -> Net:
    """A classifier of digits, its weights as float16 holds them.

    Args:
      train: digits with labels.
      seed: of the training.
      steps: of the training.
    """
    shifts = [augment.translate(0.1)]
    net = train_classifier(train.x, train.y, jax.random.key(seed), steps=steps, augment=shifts)
    return jax.tree.map(lambda leaf: np.asarray(leaf).astype(np.float16), net)


def main(out: Path, mnist: Path | None = None, seed: int = 0, steps: int = STEPS) -> None:
    """Trains, measures and writes the classifier."""
    train, held_out = data.split(data.digits())
    start = time.perf_counter()
    net = trained(train, seed, steps)
    facts = {'what': f'genjax.metrics.digits, trained on {train.size} of the embedded digits'}
    facts |= {'seed': str(seed), 'steps': str(steps), 'augment': 'translate(0.1)'}
    print(f'trained in {time.perf_counter() - start:.0f} s')
    tests = {'held_out': held_out}
    if mnist is not None:
        tests['mnist_test'] = data.load(next(mnist.glob('t10k-images*')))
    whole = jax.tree.map(lambda leaf: leaf.astype(np.float32), net)
    for name, test in tests.items():
        found = accuracy(of_classifier('digits', whole, test.image_shape), test.x, test.y)
        facts[f'{name}_accuracy'] = f'{found.total:.4f} of {test.size}'
        print(f'{name}: {facts[f"{name}_accuracy"]}')
    weights = flatten_dict({'params': net.params, 'stats': net.stats}, sep='/')
    content = pack(weights, facts)
    out.write_bytes(content)
    print(f'{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}')


if __name__ == '__main__':
    import tyro

    from genjax.machine import own_process

    own_process()
    tyro.cli(main)
