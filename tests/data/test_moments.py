"""Mean and deviation, gathered block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays

from tui_trainer.data.moments import FeatureMoments, Moments, PixelMoments


def measure_pixels(images: np.ndarray, cut: int = 0) -> Moments:
    gatherer = PixelMoments(images.shape[1])
    gatherer.add(images[:cut])
    gatherer.add(images[cut:])
    return gatherer.result()


def measure_features(table_NF: np.ndarray, cut: int = 0) -> Moments:
    gatherer = FeatureMoments(table_NF.shape[1])
    gatherer.add(table_NF[:cut])
    gatherer.add(table_NF[cut:])
    return gatherer.result()


@given(
    np_arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 3), st.just(4), st.just(3))),
    st.integers(0, 4),
)
def test_mean_and_deviation_are_the_pixels(images: np.ndarray, cut: int) -> None:
    mean, std = measure_pixels(images, cut)
    assert np.allclose(mean, images.mean(axis=(0, 2, 3)))
    assert np.allclose(std, images.std(axis=(0, 2, 3)), atol=1e-6)


@given(
    np_arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.integers(1, 4)),
        elements=st.floats(-1e4, 1e4, width=32),
    ),
    st.integers(0, 5),
)
def test_mean_and_deviation_are_the_columns(table_NF: np.ndarray, cut: int) -> None:
    mean, std = measure_features(table_NF, cut)
    wide = table_NF.astype(np.float64)
    assert np.allclose(mean, wide.mean(0))
    varied = wide.std(0) > 1e-3
    assert np.allclose(np.array(std)[varied], wide.std(0)[varied])
    assert all(value > 0 for value in std)


def test_a_constant_column_is_left_as_it_is() -> None:
    mean, std = measure_features(np.full((5, 1), 0.1, np.float32))
    assert mean == pytest.approx((0.1,))
    assert std == (1.0,)
