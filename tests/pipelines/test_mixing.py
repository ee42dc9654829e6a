import numpy as np
import pytest

from pipelines.cells import parts_of
from pipelines.mixing import mix


@pytest.mark.parametrize("seed", range(6))
def test_a_mixed_tile_keeps_the_share_of_its_own_that_it_says(seed):
    images = np.zeros((6, 16, 16, 3), np.float32)
    images += np.arange(6, dtype=np.float32)[:, None, None, None]  # tile i is all i
    mixed, mixture = mix(images, np.random.default_rng(seed))
    shares, others = mixture.own, mixture.others
    expected = shares * np.arange(6) + (1 - shares) * others
    assert np.allclose(mixture.means(np.arange(6.0)), expected)
    assert np.allclose(mixed.mean(axis=(1, 2, 3)), expected, atol=1e-5)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert mixed.dtype == images.dtype


def test_tiles_are_mixed_in_both_ways():
    images = np.zeros((6, 16, 16, 3), np.float32)
    images += np.arange(6, dtype=np.float32)[:, None, None, None]
    mixed = [mix(images, np.random.default_rng(seed))[0] for seed in range(12)]
    pasted = [np.array_equal(each, np.rint(each)) for each in mixed]  # cutmix makes no new value
    assert any(pasted)
    assert not all(pasted)


@pytest.mark.parametrize("seed", range(6))
def test_maps_are_mixed_where_their_tiles_are(seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(6, 16, 16, 3)).astype(np.float32)
    mixed, mixture = mix(images, rng)
    assert np.allclose(mixture.maps(images), mixed, atol=1e-5)  # cells of a pixel
    coarse = images.reshape(6, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    # a cell that is cut has the mean of what is in it, whichever part that was
    expected = mixture.means(coarse.mean(axis=(1, 2)))
    same = np.broadcast_to(coarse.mean(axis=(1, 2), keepdims=True), coarse.shape)
    assert np.allclose(mixture.maps(same).mean(axis=(1, 2)), expected, atol=1e-5)


def test_a_crop_is_told_what_it_shows():
    maps = np.arange(16, dtype="float16").reshape(1, 4, 4, 1).repeat(3, axis=0)
    boxes = np.float32([[0, 0, 1, 1], [0.25, 0.5, 0.75, 0.75], [0.125, 0, 0.625, 0.5]])
    found = parts_of(maps, boxes)[..., 0]
    assert np.array_equal(found[0], maps[0, ..., 0])
    assert np.array_equal(found[1], np.float32([[9, 9, 10, 10]] * 4))
    assert np.allclose(found[2, 0], [0, 0.75, 1, 1.75], atol=0.3)
    assert found[2].mean() == pytest.approx((0 * 0.5 + 1 + 2 * 0.5) / 2 + 2)
