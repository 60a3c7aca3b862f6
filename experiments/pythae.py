"""The figures of MNIST that Pythae's reproductions have, by its protocols.

    python -m experiments.pythae --mnist FOLDER --folder runs/pythae --only vae    (20 minutes)
    python -m experiments.pythae --mnist FOLDER --folder runs/pythae --minutes 60 --only vamp hvae

FOLDER holds MNIST's four idx files. Networks, optimizers, batches, epochs and importance samples
are those of Pythae's scripts (Chadebec et al. 2022, https://arxiv.org/abs/2206.08309). For `vae`,
`vamp` and `hvae` pixels are drawn once, and the last 10,000 training images choose the checkpoint
by their bound; that drawing is our own, not Larochelle's file. For `poincare` they are drawn once,
for `hyperspherical` anew for each batch; all 60,000 images train, and the last state is measured.
NLL in nats of the 10,000 test images, each pixel drawn once; in parentheses, with grey pixels as
targets, which Pythae's script for the Poincare VAE measures by.

Reached (one seed, jax 0.10.2): `vae` 92.88 +- 0.23 (99.82) after 250,000 steps, still falling at
the end, where Pythae has 89.78 on Larochelle's file: 3 nats above it, and why is not known.
`poincare`, whose figure does not tell its dimension, with 10 and a fully connected decoder 102.98
+- 0.31 (105.44) after 7,500 of 37,440 steps. The other three were not run.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import tyro

from experiments.iwae import measure
from experiments.minutes import at_most
from genjax import data, vae
from genjax.images import scale
from genjax.machine import own_process
from genjax.train import Run, load, train

VALIDATION = 10_000
_FALLS = (200, 350, 500, 750, 1000)  # epochs after which rates are 10^(-1/5) of what they were


class Protocol(NamedTuple):
    """How one figure was reached.

    Attributes:
      recipe: the method.
      published: nats.
      samples: importance samples of each test image.
      epochs: of the training.
      batch_size: of it.
      options: of the recipe.
      rate: learning rate at the start.
      static: pixels are drawn once.
      validated: 10,000 images choose the checkpoint.
      falls: the rate falls.
      warmup: epochs.
    """

    recipe: str
    published: float
    samples: int
    epochs: int
    batch_size: int
    options: dict[str, Any]
    rate: float
    static: bool = True
    validated: bool = True
    falls: bool = False
    warmup: int = 0

    def settings(self, images: int) -> dict[str, Any]:
        """Options of the recipe, in steps for so many images."""
        epoch = images // self.batch_size
        rate: Any = self.rate
        if self.falls:
            falls = {epoch * n: 10**-0.2 for n in _FALLS if n < self.epochs}
            rate = f'piecewise_constant_schedule:init_value={rate},boundaries_and_scales={falls}'
        more = {'warmup': self.warmup * epoch} if self.warmup else {}
        return {**self.options, **more, 'learning_rate': rate, 'precision': 'float32'}


PROTOCOLS = {
    'vae': Protocol(
        'vae', 89.78, 200, 500, 100, {'hidden': (400,), 'latent_dim': 40}, 1e-4, falls=True
    ),
    'hyperspherical': Protocol(
        'hyperspherical_vae', 93.13, 500, 500, 64, {}, 1e-3, static=False, validated=False
    ),
    'poincare': Protocol(
        'poincare_vae', 101.66, 500, 80, 128, {'latent_dim': 10}, 5e-4, validated=False
    ),
    'vamp': Protocol(
        'vamp_vae', 85.79, 5000, 2000, 100, {'optimizer': 'rmsprop'}, 1e-4, falls=True, warmup=100
    ),
    'hvae': Protocol('hvae', 86.21, 1000, 2000, 100, {}, 5e-4, falls=True),
}


def drawn_once(images: np.ndarray, seed: int) -> np.ndarray:
    """Black and white images, uint8: a pixel is white with the probability of its brightness.

    Args:
      images: uint8.
      seed: of the drawing.
    """
    dice = np.random.default_rng(seed).random(images.shape, np.float32)
    return np.uint8(255 * (255 * dice < images))


def learn(protocol: Protocol, mnist: Path, folder: Path, seed: int, minutes: float) -> Run:
    """Trains, or goes on, and gives the state that is to be measured.

    Args:
      protocol: of the training.
      mnist: has MNIST's idx files.
      folder: of the run.
      seed: of the run.
      minutes: that it may take.
    """
    x, apart = data.load(mnist).x, data.load(next(mnist.glob('t10k-images*'))).x
    if protocol.static:
        x, apart = drawn_once(x, seed=0), drawn_once(apart, seed=1)
    if protocol.validated:
        x, apart = np.split(x, [-VALIDATION])
    steps = protocol.epochs * (len(x) // protocol.batch_size)
    with at_most(minutes):
        run = train(
            protocol.recipe, {'x': x}, held_out={'x': apart}, run=folder, seed=seed, steps=steps,
            batch_size=protocol.batch_size, dispatch=500, sample_every=steps // 4,
            eval_every=5 * len(x) // protocol.batch_size, keep_every=steps // 4,
            **protocol.settings(len(x)),
        )  # fmt: skip
    if not protocol.validated:
        return run
    return load(folder, 'best')._replace(finished=run.finished)


def main(
    mnist: Path,
    folder: Path,
    only: tuple[str, ...] = tuple(PROTOCOLS),
    seeds: tuple[int, ...] = (0,),
    minutes: float = float('inf'),
    images: int = 10_000,
) -> None:
    """Trains and measures each.

    Args:
      mnist: has MNIST's idx files.
      folder: of the runs; those that are there are continued.
      only: names of protocols.
      seeds: of each.
      minutes: of each training.
      images: of the test set, the first, that are measured.
    """
    own_process()
    grey = data.load(next(mnist.glob('t10k-images*'))).x[:images]
    ways = [jnp.asarray(scale(x, x.shape[1:])) for x in (drawn_once(grey, seed=1), grey)]
    for name, seed in ((name, seed) for name in only for seed in seeds):
        protocol = PROTOCOLS[name]
        run = learn(protocol, mnist, folder / f'{name}_{seed}', seed, minutes)
        options = protocol.settings(len(grey)) | {'likelihood': 'grey_bernoulli'}
        models = run.model, getattr(vae, protocol.recipe)(run.model.image_shape, **options)
        drawn, as_grey = (
            measure(run._replace(model=model), x, protocol.samples)
            for model, x in zip(models, ways, strict=True)
        )
        print(
            f'{name} seed {seed}, {run.finished.records[-1]["step"]} steps, measured at '
            f'{int(run.state.step)}: {drawn.value:.2f} +- {drawn.standard_error:.2f}, '
            f'effective {drawn.effective_samples:.1f} ({as_grey.value:.2f}); '
            f'published {protocol.published}',
            flush=True,
        )


if __name__ == '__main__':
    tyro.cli(main)
