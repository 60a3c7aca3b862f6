"""How good a run is: figures with intervals beside those of real images, findings and pictures."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax import metrics, plots
from genjax.evaluation.evidence import gather, paths
from genjax.evaluation.figures import Figure, of_classes, of_labels, of_paths, of_samples
from genjax.evaluation.findings import findings
from genjax.evaluation.inference import classified, likelihoods, mean_codes, posteriors
from genjax.evaluation.sheets import SHEETS, Sheet, sheets
from genjax.evaluation.vae_figures import of_classifier, of_factors, of_latents, of_likelihoods
from genjax.random import stream
from genjax.train.config import config_hash, origin
from genjax.train.errors import RunError, check_integers, check_seed
from genjax.train.history import told
from genjax.train.measures import Features
from genjax.train.run import Run

_RECORD, _SPECTRUM = 'evaluation.json', 'spectrum.png'


class Evaluation(NamedTuple):
    """What was measured.

    Attributes:
      facts: the model, its step, the extractor, the numbers of images, and what became of the run.
      figures: one after the other.
      findings: what is wrong, a sentence each.
      sheets: grids of images by name.
      spectra: decibels by frequency, of samples and of held-out images.
    """

    facts: dict[str, Any]
    figures: list[Figure]
    findings: list[str]
    sheets: dict[str, Sheet]
    spectra: dict[str, np.ndarray]

    def __str__(self) -> str:
        return '\n'.join(_table(self))


def evaluate(
    run: Run,
    data: str | None = None,
    *,
    held_out: str | None = None,
    features: Features = 'auto',
    n: int = 0,
    resamples: int = 5,
    seed: int = 0,
) -> Evaluation:
    """Measures a run on the images that it has never seen.

    Each figure of samples is the mean over sets as large as the held-out images, with Student's 95%
    interval, and stands beside the figure of the held-out images themselves: nobody is to be better
    than that. Frechet distance and copies are against training images, up to 10,000 of them, the
    other distances against as many of them as there are held-out images.

    Args:
      run: as `load` gives it.
      data: where its data are, if they have moved.
      held_out: where its held-out data are, if they were given by themselves and have moved.
      features: that images are compared by: an extractor; 'auto' for the classifier of digits where
        its classes are those of the run's data, else 'pixels', principal components of the training
        images.
      n: samples in a set, and held-out images; 0 for all of those, but 5,000 at most, and no more
        than there are training images.
      resamples: sets.
      seed: of the samples.

    Raises:
      RunError: a number out of its range, data that are not those of the run, images that the
        extractor refuses, or a model that has diverged.
    """
    check_integers(0, n=n)
    check_integers(1, resamples=resamples)
    check_seed(seed)
    n, resamples, seed = map(int, (n, resamples, seed))  # NumPy's are no JSON.
    evidence = gather(run, data, held_out, features, n, resamples, seed)
    length, nats, q = paths(run, evidence), likelihoods(run, evidence), posteriors(run, evidence)
    figures = [*of_samples(evidence), *of_classes(evidence), *of_labels(evidence)]
    if length is not None:
        figures += of_paths(length)
    if nats is not None:
        figures += of_likelihoods(nats)
    if q is not None:
        figures += of_latents(q, evidence.key)
    factors = evidence.held_out.factors
    if factors is not None and (codes := mean_codes(run, evidence, q)) is not None:
        figures += of_factors(codes, factors, stream(evidence.key, 'factors'))
    if (right := classified(run, evidence)) is not None:
        figures += of_classifier(right)
    return Evaluation(
        facts={
            'recipe': run.config['recipe'],
            'config': config_hash(run.config),
            'step': int(run.state.step),
            **({'sampler': run.sampler} if run.sampler else {}),
            'extractor': evidence.extractor.mark,
            'sha256': evidence.extractor.sha256,
            'samples': len(evidence.held_out.x),
            'sets': resamples,
            'training images': len(evidence.train.x),
            'seed': seed,
            'history': list(told(run.config)),
        },
        figures=figures,
        findings=[*findings(evidence, q, {figure.name: figure for figure in figures})],
        sheets=sheets(evidence, q),
        spectra={
            'samples': metrics.spectrum(evidence.fakes[0].x),
            'held-out images': metrics.spectrum(evidence.held_out.x),
        },
    )


def write(evaluation: Evaluation, run: Run, folder: str | os.PathLike) -> Path:
    """Writes an evaluation as `evaluation.json` and PNG pictures.

    Args:
      evaluation: of the run.
      run: whose provenance the pictures tell.
      folder: made if need be; what it has of an earlier evaluation goes first. The JSON file comes
        last: where it is, all is there.

    Raises:
      RunError: it cannot be written.
    """
    folder = Path(folder).expanduser()
    text = origin(run.config, evaluation.facts['step'], evaluation.facts['seed'])
    try:
        for name in (_RECORD, _SPECTRUM, *(f'{sheet}.png' for sheet in SHEETS)):
            (folder / name).unlink(missing_ok=True)
        for name, sheet in evaluation.sheets.items():
            plots.save(folder / f'{name}.png', sheet, text=text)
        named = {
            name: {float(i): v for i, v in enumerate(y)} for name, y in evaluation.spectra.items()
        }
        plots.lines(named, folder / _SPECTRUM, 'cycles an image', 'power (dB)')
        with plots.replacing(folder / _RECORD, '.json') as file:
            file.write((json.dumps(_plain(evaluation), indent=2) + '\n').encode())
    except OSError as error:
        raise RunError(f'{folder}: expected a folder to write to, got {error}') from error
    return folder


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    """As JSON, which has no NaN and no infinity."""
    figures = [
        {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in figure._asdict().items()
        }
        for figure in evaluation.figures
    ]
    return {
        'format': 'genjax evaluation 1',
        **evaluation.facts,
        'figures': figures,
        'findings': evaluation.findings,
        'spectra': {name: list(map(float, y)) for name, y in evaluation.spectra.items()},
    }


def _table(evaluation: Evaluation) -> Iterator[str]:
    facts = evaluation.facts
    drawn = f', latents by {facts["sampler"]}' if 'sampler' in facts else ''
    yield (
        f'{facts["recipe"]}, step {facts["step"]}{drawn}; features {facts["extractor"]}; '
        f'{facts["sets"]} sets of {facts["samples"]} samples, {facts["training images"]} training '
        'images'
    )
    yield from facts['history']
    rows = [('', 'value', '95% interval', 'real images')]
    for figure in evaluation.figures:
        interval = '' if math.isnan(figure.low) else f'{figure.low:.4g} to {figure.high:.4g}'
        real = '' if math.isnan(figure.real) else f'{figure.real:.4g}'
        rows.append((figure.name, f'{figure.value:.4g}', interval, real))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        columns = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield '  '.join([name.ljust(widths[0]), *columns]).rstrip()
    yield from (f'! {finding}' for finding in evaluation.findings)
