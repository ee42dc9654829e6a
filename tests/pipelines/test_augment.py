import numpy as np
import pytest

from pipelines.augment import Augmentation, augment

CHANGES = [{"crop": 0.3}, {"turn": 180}, {"jitter": 0.5}, {"gain": 0.2}]


def tiles(count: int = 4, side: int = 16, dtype: str = "uint8") -> np.ndarray:
    """Smooth slopes, different in each tile and band."""
    row, column = np.mgrid[:side, :side]
    slopes = np.stack([row * 8, column * 8, row * 4 + column * 4], axis=-1)
    return np.stack([slopes + 10 * index for index in range(count)]).astype(dtype)


def run(images, seed=0, silent=True, size=None, **how):
    count = len(images)
    still, alone = np.zeros(count, int), np.full(count, silent)
    rng = np.random.default_rng(seed)
    return augment(images, still, alone, Augmentation(**how), size or images.shape[1], rng)[0]


def test_nothing_asked_nothing_changed():
    assert run(tiles()) is not None
    assert np.array_equal(run(tiles()), tiles())


@pytest.mark.parametrize("how", CHANGES, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_is_asked_changes_tiles_and_keeps_shape_and_dtype(how, dtype):
    images = tiles(dtype=dtype)
    changed = run(images, **how)
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert all(not np.array_equal(a, b) for a, b in zip(changed, images, strict=True))


def test_one_seed_gives_the_same_tiles():
    how = {"turn": 30, "crop": 0.3, "jitter": 0.5, "gain": 0.1}
    assert np.array_equal(run(tiles(), seed=1, **how), run(tiles(), seed=1, **how))
    assert not np.array_equal(run(tiles(), seed=1, **how), run(tiles(), seed=2, **how))


def test_a_tile_that_a_sentence_speaks_of_is_neither_cropped_nor_turned():
    assert np.array_equal(run(tiles(), silent=False, crop=0.3, turn=180), tiles())


def test_a_crop_shows_a_part_in_more_detail():
    """Of a slope of 0..120, a crop shows a narrower range, and never more."""
    for seed in range(20):
        changed = run(tiles(1), seed=seed, crop=0.3)[0, :, :, 0].astype(int)
        assert np.ptp(changed) <= 120
        assert (np.diff(changed, axis=0) >= 0).all()
    assert np.ptp(changed) < 120


@pytest.mark.parametrize("crop", [0.3, 0.75, 0.95])
def test_a_crop_keeps_the_share_of_the_area_that_is_asked(crop):
    count = 500
    still, alone = np.zeros(count, int), np.ones(count, bool)
    how, rng = Augmentation(crop=crop), np.random.default_rng(0)
    _, shown = augment(tiles(count), still, alone, how, 16, rng)
    width, height = shown[:, 2] - shown[:, 0], shown[:, 3] - shown[:, 1]
    assert (width * height).min() > crop - 1e-5
    assert (width * height).min() < crop + 0.05 * (1 - crop)
    assert max((width / height).max(), (height / width).max()) < 4 / 3 + 1e-5
    assert 0 <= shown.min() < shown.max() <= 1


def test_tiles_are_brought_to_the_models_size():
    assert run(tiles(side=32), size=16).shape == (4, 16, 16, 3)
    assert run(tiles(side=32), size=16, crop=0.5).shape == (4, 16, 16, 3)


def test_bright_pixels_do_not_wrap_around():
    white = np.full((2, 8, 8, 3), 250, "uint8")
    white[:, :4] = 240
    for seed in range(20):
        assert run(white, seed=seed, jitter=0.5).min() > 60


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_colours_change_by_gain_brightness_contrast_and_saturation_in_turn(dtype, bands):
    most = 255 if dtype == "uint8" else 4000
    images = np.random.default_rng(0).integers(0, most, (3, 12, 12, bands)).astype(dtype)
    found = run(images, seed=5, gain=0.2, jitter=0.4)
    rng = np.random.default_rng(5)
    x = images * rng.uniform(0.8, 1.2, (3, 1, 1, bands))
    brightness, contrast, saturation = (rng.uniform(0.6, 1.4, (3, 1, 1, 1)) for _ in range(3))
    x = brightness * x
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    x = mean + contrast * (x - mean)
    grey = x.mean(axis=3, keepdims=True)
    x = grey + saturation * (x - grey)
    if dtype == "float32":
        return np.testing.assert_allclose(found, x, rtol=1e-4, atol=0.1)
    expected = np.rint(x).clip(0, np.iinfo(dtype).max)
    assert np.abs(found - expected).max() <= 1  # where rounding is a matter of the last digit
    assert (found == expected).mean() > 0.99
