"""Short convolutions, exactly."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.toom_cook import combine, scheme, transposed

SIZES = [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (2, 3), (3, 2)]


def product(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def integers(rng, n):
    return [Fraction(int(i)) for i in rng.integers(-99, 100, n)]


@pytest.mark.parametrize(('m', 'r'), SIZES)
def test_is_the_short_convolution_exactly(m, r):
    rng, matrices = np.random.default_rng(m + 10 * r), scheme(m, r)
    for _ in range(20):
        d, g = integers(rng, m + r - 1), integers(rng, r)
        values = zip(product(matrices.g, g), product(matrices.b, d), strict=True)
        got = product(matrices.a, [u * v for u, v in values])
        assert got == [sum(d[i + j] * g[j] for j in range(r)) for i in range(m)]


@pytest.mark.parametrize(('m', 'r'), SIZES)
def test_takes_as_few_products_as_can_be_and_adds_only(m, r):
    b, g, a = scheme(m, r)
    n = m + r - 1
    assert [np.shape(matrix) for matrix in (b, g, a)] == [(n, n), (n, r), (m, n)]
    assert {abs(c) for matrix in (a, b) for row in matrix for c in row} <= {0, 1}


@pytest.mark.parametrize(('m', 'r'), SIZES)
def test_no_row_or_column_is_empty(m, r):
    for matrix in scheme(m, r):
        assert all(map(any, matrix))
        assert all(map(any, transposed(matrix)))


def test_combine_is_the_product_with_a_matrix_of_arrays():
    g = scheme(2, 3).g
    parts = list(jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 2)), jnp.float32))
    got = combine(g, parts)
    expected = np.einsum('nk,kij->nij', np.array(g, np.float64), np.array(parts, np.float64))
    np.testing.assert_allclose(np.array(got), expected, rtol=1e-6, atol=1e-6)


def test_combine_keeps_the_dtype():
    parts = [jnp.ones(3, jnp.bfloat16)] * 3
    assert {part.dtype for part in combine(scheme(2, 3).g, parts)} == {jnp.dtype('bfloat16')}
