import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipelines.images import read_image
from pipelines.records import DataError

SIDES = (40, 52)  # height and width differ, so that an exchange of the two shows


def noise(bands, dtype=np.uint8, sides=SIDES):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(1000, 300, (*sides, bands)).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, (*sides, bands), dtype, endpoint=True)


def smooth():
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    return np.stack([4 * y, 3 * x, 200 - 2 * y], axis=-1).astype(np.uint8)


def write_tiff(path, pixels, planar=False, **options):
    if planar:
        pixels, options["planarconfig"] = np.moveaxis(pixels, -1, 0), "separate"
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    photometric = "minisblack" if pixels.ndim == 2 or len(pixels) == 1 else "rgb"
    tifffile.imwrite(path, pixels, **({"photometric": photometric} | options))
    return path


def png_bytes(pixels=None):
    buffer = io.BytesIO()
    Image.fromarray(smooth() if pixels is None else pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", [False, True], ids=["chunky", "planar"])
def test_a_tiff_gives_its_pixels_back(tmp_path, compression, dtype, planar):
    pixels = noise(3, dtype)
    path = write_tiff(tmp_path / "a.tif", pixels, planar, compression=compression)
    image = read_image(path)
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"predictor": True, "compression": "lzw"},
        {"rowsperstrip": 7, "compression": "deflate"},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
    ids=str,
)
def test_the_way_a_tiff_is_laid_out_does_not_matter(tmp_path, options):
    pixels = noise(3, np.uint16)
    image = read_image(write_tiff(tmp_path / "a.tif", pixels, **options))
    assert image.dtype == np.uint16 and image.dtype.isnative
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("YCBCR", {"subsampling": (1, 1)}),
        ("YCBCR", {"subsampling": (2, 2)}),
        ("RGB", {"compressionargs": {"outcolorspace": "rgb"}}),
    ],
    ids=["YCbCr 4:4:4", "YCbCr 4:2:0", "RGB"],
)
def test_a_jpeg_tiff_comes_out_as_rgb(tmp_path, photometric, options):
    path = write_tiff(tmp_path / "a.tif", smooth(), compression="jpeg", **options)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].photometric.name == photometric
    np.testing.assert_allclose(read_image(path).astype(int), smooth(), atol=8)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_tiff_that_another_library_wrote_is_read(tmp_path, compression):
    path = tmp_path / "a.tif"
    Image.fromarray(smooth()).save(path, compression=compression)
    error = 8 if compression == "jpeg" else 0
    np.testing.assert_allclose(read_image(path).astype(int), smooth(), atol=error)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [(0,), (0, 1, 2), (7, 3, 2, 1)], ids=str)
def test_a_grey_image_is_repeated_to_the_bands_asked_for(tmp_path, dtype, bands):
    pixels = noise(1, dtype)
    tiff = write_tiff(tmp_path / "a.tif", pixels)
    png = tmp_path / "a.png"
    Image.fromarray(pixels[..., 0]).save(png)
    for path in (tiff, png):
        image = read_image(path, bands)
        assert image.dtype == dtype
        np.testing.assert_array_equal(image, np.repeat(pixels, len(bands), axis=-1))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path, mode):
    picture = Image.fromarray(noise(4)).convert(mode)
    expected = np.asarray(picture)[..., :-1]
    picture.save(tmp_path / "a.png")
    options = {"photometric": "rgb" if mode == "RGBA" else "minisblack", "planarconfig": "contig"}
    write_tiff(tmp_path / "a.tif", np.asarray(picture), extrasamples=["unassalpha"], **options)
    for name in ("a.png", "a.tif"):
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image, np.broadcast_to(expected, (*SIDES, 3)))


@pytest.mark.parametrize("planar", [False, True], ids=["chunky", "planar"])
def test_any_bands_of_a_multispectral_tiff_can_be_chosen(tmp_path, planar):
    pixels = noise(13, np.uint16)
    options = {"photometric": "minisblack"} | ({} if planar else {"planarconfig": "contig"})
    path = write_tiff(tmp_path / "a.tif", pixels, planar, **options)
    np.testing.assert_array_equal(read_image(path, (3, 2, 1)), pixels[..., [3, 2, 1]])
    np.testing.assert_array_equal(read_image(path, range(13)), pixels)
    with pytest.raises(DataError, match=r"a\.tif has 13 bands, 0 to 12\. Received bands \(0, 13\)"):
        read_image(path, (0, 13))


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.uint32])
def test_other_numbers_become_float32(tmp_path, dtype):
    pixels = np.arange(400).reshape(20, 20).astype(dtype) - dtype(7)
    image = read_image(write_tiff(tmp_path / "a.tif", pixels[..., None]), (0,))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[..., 0], pixels.astype(np.float32))


def test_png_palette_and_jpeg_come_out_as_rgb(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), smooth())
    Image.fromarray(smooth()).quantize(64).save(tmp_path / "p.png", transparency=b"\0\x80")
    np.testing.assert_allclose(read_image(tmp_path / "p.png").astype(int), smooth(), atol=40)
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").astype(int), smooth(), atol=8)


def test_the_content_decides_and_not_the_name(tmp_path):
    (tmp_path / "a.tif").write_bytes(png_bytes())
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.tif")), smooth())


def _cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("this is no image\n")


def _cut_png(path):
    path.write_bytes(png_bytes(noise(3))[:-2000])


def _cut_jpeg(path):
    Image.fromarray(noise(3)).save(path, "JPEG")
    _cut(path)


def _cut_tiff(path):
    write_tiff(path, noise(3))
    _cut(path)


def _cut_lzw_tiff(path):
    write_tiff(path, noise(3), compression="lzw", rowsperstrip=5)
    _cut(path)


def _scrambled_tiff(path):
    write_tiff(path, noise(3), compression="deflate")
    content = bytearray(path.read_bytes())
    content[-3000:-2000] = b"\xff" * 1000
    path.write_bytes(content)


def _tiff_without_pages(path):
    path.write_bytes(b"II*\0\x08\0\0\0\0\0\0\0\0\0")


def _overwrite(path, tag, value):
    write_tiff(path, noise(3), compression="lzw")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags[tag].overwrite(value)


def _tiff_without_bits(path):
    _overwrite(path, "BitsPerSample", (8, 8, 0))


def _tiff_of_empty_strips(path):
    _overwrite(path, "StripByteCounts", 0)


def _one_pixel(path):
    Image.new("RGB", (1, 1)).save(path, "PNG")


def _thin_tiff(path):
    write_tiff(path, np.zeros((100, 7, 3), np.uint8))


def _long_side(path):
    Image.new("1", (16_385, 8)).save(path, "PNG")


def _many_pixels(path):
    Image.new("1", (16_000, 16_000)).save(path, "PNG")


def _pages_for_bands(path):
    tifffile.imwrite(path, np.zeros((6, 32, 32), np.uint8), photometric="minisblack")


def _palette_tiff(path):
    colormap = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(path, noise(1)[..., 0], photometric="palette", colormap=colormap)


def _complex_tiff(path):
    write_tiff(path, np.zeros((16, 16, 1), np.complex64))


def _tiff_with_nan(path):
    write_tiff(path, np.full((16, 16, 1), np.nan, np.float32))


def _folder(path):
    path.mkdir()


def _nothing(path):
    pass


BAD = {
    _nothing: "cannot be opened: No such file",
    _folder: "cannot be opened: ",
    _empty: "is empty",
    _text: "is not a PNG, JPEG or TIFF",
    _cut_png: "is damaged or cut off",
    _cut_jpeg: "is damaged or cut off",
    _cut_tiff: "is cut off",
    _cut_lzw_tiff: "is cut off",
    _scrambled_tiff: "is damaged or cut off",
    _tiff_without_pages: "is 0x0 pixels",
    _tiff_without_bits: "its header contradicts itself",
    _tiff_of_empty_strips: "its strips are empty",
    _one_pixel: "is 1x1 pixels",
    _thin_tiff: "is 7x100 pixels",
    _long_side: "Cut the scene into tiles first",
    _many_pixels: "Cut the scene into tiles first",
    _pages_for_bands: "has a page for each band",
    _palette_tiff: "as PALETTE. Save it as grey or RGB",
    _complex_tiff: "holds complex64 numbers",
    _tiff_with_nan: "holds NaN",
}


@pytest.mark.parametrize("write", BAD, ids=lambda write: write.__name__.strip("_"))
def test_a_bad_image_is_one_line_that_names_it(tmp_path, write, recwarn, capfd):
    path = tmp_path / "bad.tif"
    write(path)
    capfd.readouterr()
    recwarn.clear()
    with pytest.raises(DataError) as caught:
        read_image(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and BAD[write] in message
    assert "\n" not in message and message.endswith(".")
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_a_name_with_a_zero_byte_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"b\\x00.png' cannot be opened: .* Check the path\.$"):
        read_image(tmp_path / "b\0.png")


def test_nothing_is_logged_to_stderr_about_a_bad_tiff(tmp_path):
    path = tmp_path / "bad.tif"
    _cut_lzw_tiff(path)
    code = f"from pipelines.images import *\ntry: read_image({str(path)!r})\nexcept DataError: pass"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
