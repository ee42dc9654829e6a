import os
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipelines import store, ucm_captions
from pipelines.images import read_image
from pipelines.pixels import resize
from pipelines.records import DataError, Record, Records
from pipelines.store import stored_images


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def records(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        path = tmp_path / f"{number}.png"
        sides = (32, 32) if number % 2 else (40, 24)
        Image.fromarray(rng.integers(0, 255, (*sides, 3), np.uint8)).save(path)
        rows.append(Record(path, land_use=str(number)))
    return Records("folder", "train", tuple(rows))


@pytest.fixture
def decoded(monkeypatch):
    paths = []

    def read(path, bands):
        paths.append(path)
        return read_image(path, bands)

    monkeypatch.setattr(store, "read_image", read)
    return paths


def spoil(records, *rows):
    for row in rows:
        records.rows[row].image.write_bytes(b"spoilt")


def test_the_store_holds_every_image_at_its_size_in_order(records):
    kept, images = stored_images(records, 32)
    assert kept == records
    assert images.shape == (40, 32, 32, 3) and images.dtype == np.uint8
    assert isinstance(images, np.memmap) and not images.flags.writeable
    for record, image in zip(records, images, strict=True):
        np.testing.assert_array_equal(image, resize(read_image(record.image), 32))


def test_a_second_run_decodes_nothing(records, decoded):
    stored_images(records, 32)
    assert len(decoded) == 40
    stored_images(records, 32)
    assert len(decoded) == 40


def test_another_size_or_band_or_a_changed_image_is_decoded(records, decoded):
    stored_images(records, 32)
    stored_images(records, 16)
    stored_images(records, 32, bands=(2, 1, 0))
    assert len(decoded) == 120
    Image.new("RGB", (32, 32), (1, 2, 3)).save(records.rows[5].image)
    _, images = stored_images(records, 32)
    assert len(decoded) == 160
    assert (images[5] == (1, 2, 3)).all()


def test_bad_and_missing_images_are_counted_in_one_error(records, cache):
    spoil(records, 3, 7, 20, 30)
    records.rows[8].image.unlink()
    with pytest.raises(DataError) as caught:
        stored_images(records, 32)
    message = str(caught.value)
    assert message.startswith("5 of 40 folder train images cannot be used.")
    assert "--skip-bad-images" in message and "\n" not in message
    named = [name for name in ("/3.png", "/7.png", "/8.png", "/20.png") if name in message]
    assert named == ["/3.png", "/7.png", "/8.png"]
    assert not list(cache.iterdir())


def test_bad_images_can_be_left_out_and_stay_so(records, decoded):
    spoil(records, 0, 7, 39)
    for _ in range(2):
        kept, images = stored_images(records, 32, skip_bad=True)
        assert [row.land_use for row in kept] == [str(i) for i in range(40) if i not in (0, 7, 39)]
        assert images.shape == (37, 32, 32, 3)
        np.testing.assert_array_equal(images[-1], resize(read_image(kept.rows[-1].image), 32))
    assert len(decoded) == 40


def test_a_name_that_no_file_can_have_is_a_bad_image(records):
    named = replace(records.rows[3], image=records.rows[3].image.with_name("b\0.png"))
    records = replace(records, rows=(*records.rows[:3], named, *records.rows[4:]))
    with pytest.raises(DataError, match=r"1 of 40 .* cannot be opened"):
        stored_images(records, 32)
    assert named not in stored_images(records, 32, skip_bad=True)[0].rows


def test_a_store_with_gaps_does_not_hide_bad_images_from_a_strict_run(records):
    spoil(records, 0)
    stored_images(records, 32, skip_bad=True)
    with pytest.raises(DataError, match="1 of 40"):
        stored_images(records, 32)
    assert len(stored_images(records, 32, skip_bad=True)[0]) == 39


@pytest.mark.parametrize("skip_bad", [False, True])
def test_no_image_left_is_an_error(records, skip_bad):
    spoil(records, *range(40))
    with pytest.raises(DataError, match="40 of 40"):
        stored_images(records, 32, skip_bad=skip_bad)
    with pytest.raises(DataError, match="no folder train images"):
        stored_images(replace(records, rows=()), 32, skip_bad=skip_bad)


def test_dtypes_must_not_mix(records, cache):
    Image.fromarray(np.full((32, 32), 999, np.uint16)).save(records.rows[9].image)
    with pytest.raises(DataError, match=r"/0\.png holds uint8 and .*/9\.png uint16"):
        stored_images(records, 32, skip_bad=True)
    assert not list(cache.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_is_stopped_leaves_nothing(records, cache, monkeypatch, error):
    def stop(file, images, count):
        next(iter(images))
        raise error

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(store, "_write_images", stop)
        stored_images(records, 32)
    assert not list(cache.iterdir())
    assert len(stored_images(records, 32)[1]) == 40


def test_what_a_killed_run_left_is_swept_after_a_day(records, cache):
    cache.mkdir()
    old, young = (f"{letter * 32}.{letter}.tmp" for letter in "ab")
    # the folder may be anybody's
    for name, age in ((old, 2), (young, 0.5), ("thesis.tmp", 9)):
        (cache / name).write_bytes(b"")
        at = time.time() - age * 24 * 3600
        os.utime(cache / name, (at, at))
    stored_images(records, 32)
    assert {path.name for path in cache.glob("*.tmp")} == {young, "thesis.tmp"}


def test_a_store_without_its_side_car_is_not_trusted(records, cache, decoded):
    stored_images(records, 32)
    next(cache.glob("*.json")).unlink()
    stored_images(records, 32)
    assert len(decoded) == 80


def test_a_cache_that_cannot_be_written_is_one_line(records, cache):
    cache.write_text("a file, not a folder")
    with pytest.raises(DataError, match="Set SPATIALNET_CACHE to a folder with room"):
        stored_images(records, 32)


def test_only_a_window_of_images_is_in_memory(records, monkeypatch):
    ahead = []
    monkeypatch.setattr(store, "_THREADS", 1)
    monkeypatch.setattr(store, "read_image", lambda path, bands: ahead.append(path) or noise)
    noise = np.zeros((16, 16, 3), np.uint8)
    images = store._decoded(records, 16, (0, 1, 2))
    next(images)
    assert len(ahead) <= 8


def test_no_progress_bar_is_shown_for_a_short_wait(records, capfd):
    stored_images(records, 32)
    assert capfd.readouterr() == ("", "")


def test_44_images_of_ucm_are_not_256_pixels_wide_and_all_come_out_so(shared_data):
    rows = []
    for split in ("train", "val", "test"):
        rows += ucm_captions.load(shared_data / "ucm_captions", split).rows
    odd = [row for row in rows if Image.open(row.image).size != (256, 256)]
    assert len(odd) == 44
    _, images = stored_images(Records("ucm_captions", "odd", tuple(odd)), 256)
    assert images.shape == (44, 256, 256, 3) and images.dtype == np.uint8
