"""The figures of `genjax.metrics` beside those of torch-fidelity 0.4.0 and prdc.

    pip install --no-deps torch-fidelity==0.4.0 prdc    # and torch, torchvision, scikit-learn
    python -m experiments.metrics_peers [--large]

Prints what each says of the cases below, and with `--large` also time and peak memory of the
statistics of 50,000 x 2048 features and of the distance of 2048 dimensions, beside
`scipy.linalg.sqrtm`.

Reached (jax 0.10.2, SciPy 1.17.1, two Zen 3 cores): all agree to 1e-7 but for the Frechet distance
of near copies, where eigenvalues lose 1.1%; there the tests ask 64 bits of precision. At large:

    statistics of 50,000 x 2048, in batches of 1,000    45 s, 0.5 GiB of the process
    Frechet distance of 2048 dimensions                 3.4 s; by sqrtm 20.8 s, nine equal digits
    prdc of 10,000 x 2048                               43 s, 1.3 GiB
"""

import argparse
import contextlib
import io
import resource
import time

import numpy as np

SUBSETS, SIZE, SPLITS = 20, 40, 5


def _normal(seed, n, d, rank=None):
    """Correlated and skewed, as features are; of the stream that NumPy never changes."""
    random = np.random.RandomState(seed)
    mix = random.standard_normal((rank or d, d)) / np.sqrt(d)
    return np.abs(random.standard_normal((n, rank or d)) @ mix + 0.1)


def _copies(real, noise):
    return real + noise * np.random.RandomState(9).standard_normal(real.shape)


def cases():
    """Pairs of real and fake features by name, in float64."""
    few, flat = _normal(1, 60, 128), _normal(2, 300, 48, rank=8)
    wide = _normal(3, 120, 2048)
    return {
        'plenty': (_normal(0, 400, 32), _normal(5, 300, 32) * 1.1 + 0.05),
        'fewer rows than columns': (few, _normal(1, 90, 128)),
        'near copies': (few, _copies(few, 1e-3)),
        'singular': (flat, _normal(2, 200, 48, rank=8) * 1.2),
        '2048 columns': (wide, _normal(4, 100, 2048)),
    }


def logits():
    """Of 200 images and 10 classes."""
    return 3 * np.random.RandomState(7).standard_normal((200, 10))


def rows(real, fake):
    """The subsets that torch-fidelity draws."""
    random = np.random.RandomState(2020)
    drawn = [
        [random.choice(len(x), SIZE, replace=False) for x in (real, fake)] for _ in range(SUBSETS)
    ]
    first, second = zip(*drawn, strict=True)
    return np.stack(first), np.stack(second)


def ours(real, fake):
    """By name, as the others call them."""
    import jax

    from genjax import metrics

    kernel = metrics.kernel_distance(real, fake, jax.random.key(0), rows=rows(real, fake))
    spheres = metrics.precision_recall(real, fake)
    return {
        'frechet_inception_distance': metrics.frechet_distance(real, fake),
        'kernel_inception_distance_mean': kernel.value,
        'kernel_inception_distance_std': kernel.deviation,
        'precision': spheres.precision,
        'recall': spheres.recall,
        **{f'prdc_{name}': value for name, value in metrics.prdc(real, fake)._asdict().items()},
    }


def theirs(real, fake):
    """The same, by torch-fidelity and prdc."""
    import torch
    from prdc import compute_prdc
    from torch_fidelity import metric_fid, metric_kid, metric_prc

    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    options = {'kid_subsets': SUBSETS, 'kid_subset_size': SIZE, 'verbose': False}
    with contextlib.redirect_stdout(io.StringIO()):
        found = {
            **metric_fid.fid_statistics_to_metric(
                metric_fid.fid_features_to_statistics(a),
                metric_fid.fid_features_to_statistics(b),
                False,
            ),
            **metric_kid.kid_features_to_metric(a, b, **options),
            **metric_prc.prc_features_to_metric(b, a, verbose=False),
        }
        spheres = compute_prdc(real, fake, 5)
    short = {name: float(value) for name, value in found.items() if name != 'f_score'}
    return short | {f'prdc_{name}': float(value) for name, value in spheres.items()}


def scores():
    """The Inception score of `logits`, ours and torch-fidelity's."""
    import jax
    import torch
    from torch_fidelity import metric_isc

    from genjax import metrics

    options = {'splits': SPLITS, 'shuffle': False}
    other = metric_isc.isc_features_to_metric(torch.from_numpy(logits()), **options)
    # In an order that the shuffle makes that of the others.
    key, found = jax.random.key(0), logits()
    order = np.argsort(jax.random.permutation(key, len(found)))
    return metrics.inception_score(found[order], SPLITS, key), list(other.values())


def _timed(name, work):
    start = time.perf_counter()
    value = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f'{name}: {time.perf_counter() - start:.1f} s, peak {peak:.2f} GiB of the process')
    return value


def large():
    """Time and memory at the size of published figures."""
    from scipy import linalg

    from genjax import metrics

    def features(seed):
        random = np.random.default_rng(seed)
        for _ in range(50):
            yield np.abs(random.standard_normal((1000, 2048), np.float32)) * (1 + 0.01 * seed)

    a = _timed('statistics of 50,000 x 2048', lambda: metrics.moments(features(0)))
    b = _timed('statistics of as many others', lambda: metrics.moments(features(1)))
    ours = _timed('distance', lambda: metrics.frechet_distance(a, b))

    def by_root():
        root = linalg.sqrtm(a.covariance @ b.covariance)
        gap = a.mean - b.mean
        return gap @ gap + np.trace(a.covariance + b.covariance - 2 * np.real(root))

    print(f'{ours:.9g} and {_timed("distance by sqrtm", by_root):.9g}')
    near = np.abs(np.random.default_rng(2).standard_normal((10_000, 2048), np.float32))
    _timed('prdc of 10,000 x 2048', lambda: metrics.prdc(near, near[::-1] + 0.1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--large', action='store_true')
    if parser.parse_args().large:
        large()
        return
    print('inception score', *scores())
    for name, pair in cases().items():
        mine, other = ours(*pair), theirs(*pair)
        print(f'{name}\n' + '\n'.join(f'  {k}: {mine[k]:.12g} {v:.12g}' for k, v in other.items()))


if __name__ == '__main__':
    main()
