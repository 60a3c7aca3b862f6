"""What the command `genjax` does with a run or with data, beside training."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import jax
from tyro.conf import Positional, arg

from genjax import data, metrics, plots
from genjax.data.reading import PLAIN, Reading
from genjax.evaluation import codes, evaluation, sampling
from genjax.evaluation.samplers import fitted, titled
from genjax.exports.writer import PLATFORMS, Platform
from genjax.exports.writer import export as write_export
from genjax.gan import GAN
from genjax.machine import share_memory
from genjax.random import stream
from genjax.train import Run, RunError, load
from genjax.train.config import origin
from genjax.train.errors import check_integers, check_vacant
from genjax.train.measures import Features

# What several commands take; their docstrings tell the rest.
RunFolder = Annotated[Positional[Path], arg(help='folder of the run.')]
Out = Annotated[Path, arg(help='a .png file for a grid, or a .npz file.')]
Step = Annotated[
    str, arg(help='of a checkpoint, or latest, or best by --monitor or the bound of a VAE.')
]
Images = Annotated[
    str | None, arg(help='images of any source, as of train; by default those held out.')
]
Provenance = Annotated[bool, arg(help='a .png file says in text chunks which model made it.')]


class Which(NamedTuple):
    """Which model of a run, and what it draws by.

    Attributes:
      step: of a checkpoint, or latest, or best by --monitor or the bound of a VAE.
      standing: passes that batch statistics of a GAN are made of anew, 100 say; 0 keeps them.
      sampler: draws the latents of a VAE in place of its prior, `gmm:components=20` say; fitted
        once to the latents of the training images, and kept in the run.
      data: where the data of the run are, if they have moved.
    """

    step: str = 'latest'
    standing: int = 0
    sampler: str | None = None
    data: str | None = None


LATEST = Which()


def sample(
    run: RunFolder,
    out: Annotated[Path, arg(help='a .png file for a grid, a .npz file, or a folder for each.')],
    n: int = 64,
    seed: int = 0,
    y: str | None = None,
    which: Which = LATEST,
    provenance: Provenance = True,
) -> None:
    """Draws samples of a run: a grid, arrays, or a PNG each in a folder.

    Args:
      n: how many.
      seed: of the noise.
      y: the class of all, by its number or name, or data for classes as often as they are in the
        data; by default a conditional model's classes go round the columns.
    """
    each = not out.suffix
    if each:
        check_vacant(out)
    loaded = _load(run, which, None if each else out)
    drawn = sampling.samples(loaded, n, seed, y)
    text = _text(loaded, seed, provenance)
    if each:
        plots.save_each(out, drawn.x, y=drawn.y, classes=loaded.config.get('classes'), text=text)
    elif n == 1 and out.suffix.lower() == '.png':
        plots.save(out, drawn.x[0], 1, text=text)
    else:
        plots.save_images(out, drawn.x, drawn.columns, text=text, y=drawn.y)


def reconstruct(
    run: RunFolder,
    out: Out,
    n: int = 32,
    data: Images = None,
    step: Step = 'latest',
    provenance: Provenance = True,
) -> None:
    """Shows images and a VAE's reconstructions below them.

    Args:
      n: how many, or as many as there are.
    """
    check_integers(1, n=n)
    loaded = _load(run, Which(step), out)
    images = codes.looked_at(loaded, data)
    x, y = images.x[:n], None if images.y is None else images.y[:n]
    text = _text(loaded, loaded.config['seed'], provenance)
    plots.save_pairs(out, x, sampling.reconstructions(loaded, x, y), text=text)


def encode(
    run: RunFolder,
    data: Annotated[str, arg(help='images of any source, as of train.')],
    out: Annotated[Path, arg(help='a .npz file.')],
    own: Annotated[str | None, arg(help='where the data of the run are, if they moved.')] = None,
    step: Step = 'latest',
) -> None:
    """Writes what a VAE says of images: latents, bounds, errors, and how odd each is.

    The `quantile` of an image is the share of the run's held-out images that are less odd.
    """
    if out.suffix.lower() != '.npz':
        raise RunError(f'expected a file that ends in .npz, got {out}')
    loaded = _load(run, Which(step), out)
    plots.save_arrays(out, codes.encoded(loaded, codes.images_for(loaded, data), own))


def traverse(
    run: RunFolder,
    out: Out,
    rows: int = 10,
    columns: int = 9,
    reach: float = 3.0,
    data: Images = None,
    step: Step = 'latest',
    provenance: Provenance = True,
) -> None:
    """Goes along the most active latents of a VAE, a row each, from its code of the first image.

    Args:
      rows: latents, or as many as there are.
      columns: values of each.
      reach: the greatest of them.
    """
    loaded = _load(run, Which(step), out)
    images = codes.walks(loaded, codes.looked_at(loaded, data), rows, columns, reach)
    text = _text(loaded, loaded.config['seed'], provenance)
    plots.save_images(out, images, columns, text=text)


def interpolate(
    run: RunFolder,
    out: Out,
    rows: int = 8,
    columns: int = 10,
    seed: int = 0,
    y: str | None = None,
    which: Which = LATEST,
    provenance: Provenance = True,
) -> None:
    """Draws the ways between pairs of samples.

    Args:
      rows: pairs of samples.
      columns: images from one end to the other.
      seed: of the samples.
      y: the class of all, by its number or name; by default a conditional model's classes in turn,
        one a row.
    """
    loaded = _load(run, which, out)
    images = sampling.interpolations(loaded, rows, columns, seed, y)
    plots.save_images(out, images, columns, text=_text(loaded, seed, provenance))


def export(
    run: RunFolder,
    out: Path,
    which: Which = LATEST,
    platforms: tuple[Platform, ...] = PLATFORMS,
    licence: str = 'unknown',
) -> None:
    """Writes a model as a folder that runs without its recipe: StableHLO, safetensors and a card.

    Args:
      out: a folder that is not there yet, or empty.
      platforms: that the programs are for.
      licence: of the model, for the card.
    """
    write_export(_load(run, which), out, platforms=platforms, licence=licence)
    print(out)


def evaluate(
    run: RunFolder,
    out: Path | None = None,
    held_out: str | None = None,
    features: str = 'auto',
    n: int = 0,
    resamples: int = 5,
    seed: int = 0,
    which: Which = LATEST,
) -> None:
    """Measures a run on the images that it has never seen; figures, findings and pictures.

    Args:
      out: a folder; the run's own evaluation/step_... by default.
      held_out: where the held-out data are, if they were given by themselves and have moved.
      features: auto, pixels, digits, or a file with the weights of Inception-v3.
      n: samples in a set, and held-out images; 0 for all of those, but 5,000 at most, and no more
        than there are training images.
      resamples: sets of samples.
      seed: of the samples.
    """
    loaded = _load(run, which)
    found = evaluation.evaluate(
        loaded,
        which.data,
        held_out=held_out,
        features=_features(features),
        n=n,
        resamples=resamples,
        seed=seed,
    )
    print(found)
    place = out or run / 'evaluation' / titled(loaded, loaded.sampler)
    print(evaluation.write(found, loaded, place))


def _features(name: str) -> Features:
    words: dict[str, Features] = {'auto': 'auto', 'pixels': 'pixels'}
    if name in words:
        return words[name]
    if name == 'digits':
        return metrics.digits()
    try:
        return metrics.inception(name)
    except ValueError as error:
        raise RunError(f'features: {error}') from error


def look_at_data(
    command: Positional[Literal['inspect']],
    source: Positional[str],
    image_size: int | None = None,
    reading: Reading = PLAIN,
    out: Path | None = None,
) -> None:
    """Prints what a source of data holds: counts, classes, duplicates, unreadable files.

    Args:
      command: what to do with it.
      source: as `--data` of `genjax train`.
      image_size: height and width that images are scaled and cropped to.
      reading: other ways in which arrays and files become images.
      out: a .png file for a grid, a row for a class, or a .npz file.
    """
    _check(out)
    report = data.inspect(source, image_size, reading)
    print(report)
    if out is not None:
        plots.save_images(out, data.examples(report.dataset), 10)


def _load(run: Path, which: Which, out: Path | None = None) -> Run:
    """A run, if images of it can be written there; it may be in training on the same device."""
    _check(out)
    check_integers(0, standing=which.standing)
    share_memory()
    loaded = load(run, int(which.step) if which.step.isdecimal() else which.step)
    if which.sampler:
        loaded = fitted(loaded, which.sampler, which.data)
    if not which.standing:
        return loaded
    if not isinstance(loaded.model, GAN):
        got = loaded.config['recipe']
        raise RunError(f'expected a GAN for standing={which.standing}, got {got!r}')
    key = stream(jax.random.key(loaded.config['seed']), 'standing')
    return loaded._replace(state=loaded.model.standing(loaded.state, key, which.standing))


def _check(out: Path | None) -> None:
    if out is not None and out.suffix.lower() not in ('.png', '.npz'):
        raise RunError(f'expected a file that ends in .png or .npz, got {out}')


def _text(run: Run, seed: int, provenance: bool) -> dict[str, str]:
    return origin(run.config, int(run.state.step), seed) if provenance else {}
