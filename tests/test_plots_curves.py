"""Training curves."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from genjax import plots

pytestmark = pytest.mark.usual_curves


def drawn(records, tmp_path, monkeypatch, **options):
    """The axes of the figure that `curves` saves."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, 'savefig', lambda figure, *a, **k: (figures.append(figure), save(figure, *a, **k))
    )
    plots.curves(records, tmp_path / 'curves.png', **options)
    with Image.open(tmp_path / 'curves.png') as picture:
        assert picture.format == 'PNG'
    assert [path.name for path in tmp_path.iterdir()] == ['curves.png']
    return {axes.get_title(): axes for axes in figures[0].axes}


def points(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_curves_have_a_panel_a_quantity_and_a_line_a_player(tmp_path, monkeypatch):
    lines = [
        '{"step": 10, "generator/loss": 1.0, "discriminator/loss": 2.0, "note": "x", "seconds": 3}',
        '{"step": 20, "generator/loss": NaN, "discriminator/loss": 1.5, "generator/r1/real": 5.0}',
        '{"step": 30, "generator/loss": 0.5, "discriminator/loss": Infinity, "list": [1]}',
        '{"step": 30, "heldout/elbo": -90.0, "vae/elbo": NaN, "none": null, "lost/all": NaN}',
        '{"generator/loss": 7.0}',
    ]
    panels = drawn([json.loads(line) for line in lines], tmp_path, monkeypatch)
    assert list(panels) == ['all', 'elbo', 'loss', 'r1/real', 'seconds']
    assert points(panels['loss']) == {
        'generator': [[10, 1.0], [30, 0.5]],
        'discriminator': [[10, 2.0], [20, 1.5]],
    }
    assert points(panels['elbo']) == {'heldout': [[30, -90.0]]}
    assert points(panels['all']) == {}
    assert panels['all'].texts[0].get_text() == 'no finite values'
    assert panels['loss'].get_xlabel() == 'step'
    legend = [text.get_text() for text in panels['loss'].get_legend().get_texts()]
    assert legend == ['discriminator', 'generator']
    assert panels['seconds'].get_legend() is None
    colour = {line.get_label(): line.get_color() for line in panels['loss'].lines}
    assert panels['r1/real'].lines[0].get_color() == colour['generator'] != colour['discriminator']


def test_a_resumed_run_is_drawn_once_and_in_order(tmp_path, monkeypatch):
    records = [
        {'step': s, 'loss': float(v)} for s, v in ((0, 0), (10, 1), (20, 9), (10, 5), (20, 2))
    ]
    (axes,) = drawn(records, tmp_path, monkeypatch).values()
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [10, 5], [20, 2]]


def test_long_series_are_drawn_as_means_within_their_range(tmp_path, monkeypatch):
    y = np.random.default_rng(0).normal(size=2000)
    records = [{'seconds': i / 4, 'step': i, 'vae/loss': v} for i, v in enumerate(y)]
    axes = drawn(records, tmp_path, monkeypatch, x='seconds')['loss']
    want = np.stack([np.arange(2000) / 4, y], axis=1).reshape(200, 10, 2)
    np.testing.assert_allclose(axes.lines[0].get_xydata(), want.mean(axis=1))
    box = axes.collections[0].get_paths()[0].get_extents()
    assert (box.y0, box.y1) == pytest.approx((y.min(), y.max()))
    assert axes.get_xlabel() == 'seconds'


def test_only_wide_positive_values_get_a_logarithmic_axis(tmp_path, monkeypatch):
    rows = [{'step': 0, 'wide': 0.01, 'narrow': 1.0, 'signed': -0.01}]
    rows += [{'step': 1, 'wide': 10.0, 'narrow': 9.0, 'signed': 1000.0}]
    panels = drawn(rows, tmp_path, monkeypatch)
    scales = {title: axes.get_yscale() for title, axes in panels.items()}
    assert scales == {'wide': 'log', 'narrow': 'linear', 'signed': 'linear'}


@pytest.mark.parametrize('records', [[], [{'loss': 1.0}], [{'step': 1}], [{'step': 1, 'a': 'b'}]])
def test_curves_need_something_to_draw(tmp_path, records):
    with pytest.raises(ValueError, match=f"expected records with 'step' .*in {len(records)}"):
        plots.curves(records, tmp_path / 'a.png')


def test_curves_leave_pyplot_alone(tmp_path):
    code = (
        'import sys, genjax.plots as p; assert "matplotlib" not in sys.modules;'
        f'p.curves([{{"step": 1, "loss": 2.0}}], {str(tmp_path / "a.png")!r});'
        'print("matplotlib.pyplot" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False'
