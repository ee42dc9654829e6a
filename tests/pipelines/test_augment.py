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


def test_tiles_are_brought_to_the_models_size():
    assert run(tiles(side=32), size=16).shape == (4, 16, 16, 3)
    assert run(tiles(side=32), size=16, crop=0.5).shape == (4, 16, 16, 3)


def test_bright_pixels_do_not_wrap_around():
    white = np.full((2, 8, 8, 3), 250, "uint8")
    white[:, :4] = 240
    for seed in range(20):
        assert run(white, seed=seed, jitter=0.5).min() > 60
