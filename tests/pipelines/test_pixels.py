"""Pixels: resized, flipped and turned, measured."""

import numpy as np
import pytest

from pipelines.pixels import apply_symmetries, band_statistics, resize, turned
from tests.pipelines.test_images import noise


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resizing_keeps_dtype_and_mean(dtype):
    image = noise(5, dtype, sides=(64, 96))
    small = resize(image, 32)
    assert small.shape == (32, 32, 5) and small.dtype == dtype
    np.testing.assert_allclose(small.mean((0, 1)), image.mean((0, 1)), rtol=0.02)


def test_resizing_is_antialiased():
    stripes = np.zeros((64, 64, 1), np.uint16)
    stripes[:, ::2] = 60_000
    inside = resize(stripes, 16)[:, 2:-2]
    assert (abs(inside.astype(int) - 30_000) < 2_000).all()


def test_resizing_to_the_same_size_does_nothing():
    image = noise(3, sides=(32, 32))
    assert resize(image, 32) is image


@pytest.mark.parametrize(
    "change", [lambda x: resize(x, 24, (3, 5.5, 40, 38)), lambda x: turned(x, 33)]
)
def test_three_bands_at_once_are_what_each_is_alone(change):
    image = noise(3, sides=(48, 48))
    alone = [change(image[..., band : band + 1]) for band in range(3)]
    assert np.array_equal(change(image), np.concatenate(alone, axis=-1))


TURNED = {
    0: [[1, 2], [3, 4]],
    1: [[2, 4], [1, 3]],
    2: [[4, 3], [2, 1]],
    3: [[3, 1], [4, 2]],
    4: [[2, 1], [4, 3]],
    5: [[4, 2], [3, 1]],
    6: [[3, 4], [1, 2]],
    7: [[1, 3], [2, 4]],
}


@pytest.mark.parametrize("code", TURNED)
def test_a_symmetry_turns_counter_clockwise_and_then_mirrors(code):
    image = np.array([[1, 2], [3, 4]], np.uint8)[None, :, :, None]
    found = apply_symmetries(image, np.array([code]))
    assert found[0, :, :, 0].tolist() == TURNED[code]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_each_image_of_a_batch_is_turned_by_its_own_code(dtype, bands):
    images = np.stack([noise(bands, dtype, (16, 16)) for _ in range(20)])
    codes = np.random.default_rng(1).integers(0, 8, 20)
    before = images.copy()
    found = apply_symmetries(images, codes)
    assert found.shape == images.shape and found.dtype == dtype
    assert found.flags.c_contiguous and found.flags.writeable
    assert not np.shares_memory(found, images)
    np.testing.assert_array_equal(images, before)
    for image, code, result in zip(images, codes, found, strict=True):
        expected = np.rot90(image, code % 4)
        np.testing.assert_array_equal(result, expected[:, ::-1] if code >= 4 else expected)


def test_a_turned_tile_is_the_tile_turned():
    """Quarter turns are those of `rot90`; between, a spot moves on its circle."""
    image = noise(3, sides=(16, 16))
    np.testing.assert_allclose(turned(image, 90).astype(int), np.rot90(image), atol=1)
    spot = np.full((65, 65, 1), 50, "uint8")
    spot[30:35, 40:45] = 250  # right of the centre
    row, column = np.unravel_index(turned(spot, 45)[:, :, 0].argmax(), (65, 65))
    assert (abs(row - 25) <= 3) and (abs(column - 39) <= 3)  # up to the right
    assert turned(spot, 45).min() == 50


def test_band_statistics_are_those_of_numpy():
    images = np.stack([noise(3, np.uint16, (16, 16)) + step for step in np.arange(9, dtype="u2")])
    mean, deviation = band_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)))
    np.testing.assert_allclose(deviation, images.std((0, 1, 2)))
    assert all(type(number) is float for number in mean + deviation)


def test_band_statistics_sample_by_the_seed():
    images = np.random.default_rng(0).integers(0, 255, (50, 8, 8, 3)).astype(np.uint8)
    assert band_statistics(images, 5, seed=1) == band_statistics(images, 5, seed=1)
    assert band_statistics(images, 5, seed=1) != band_statistics(images, 5, seed=2)


def test_a_constant_band_has_deviation_one():
    images = np.full((4, 8, 8, 2), 7, np.float32)
    images[..., 1] += np.arange(8)
    assert band_statistics(images)[1] == (1.0, pytest.approx(np.arange(8).std()))
