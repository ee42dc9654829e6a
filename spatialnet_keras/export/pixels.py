"""Encoded images -> pixels inside a TensorFlow graph, each row by itself.

A row that cannot be decoded gets a status instead of pixels, and the rows beside it are answered:
each is decoded in a tf.data pipeline that leaves out its failures. Rules and limits are those of
`pipelines.images`; what is too large is refused by its header, before anything is decoded.
"""

import tensorflow as tf

from pipelines.images import MAXIMUM_PIXELS, MAXIMUM_SIDE, MINIMUM_SIDE

OK = "ok"
DAMAGED = "image is damaged or cut off"
EMPTY = "image is empty (0 bytes)"
UNKNOWN = "image is not a PNG or JPEG"

_DECODED_AT_ONCE = 4  # an image of the largest size takes 300 MB


def decode_rows(image_bytes: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes and resizes PNG and JPEG files.

    Args:
        image_bytes: Files, string [B].
        size: S, pixels a side of the result.

    Returns:
        Pixels uint8 [B, S, S, 3], zero where there are none, and a status, string [B].
    """
    rows = tf.size(image_bytes)
    # one row more, which cannot fail, for a batch of one element is asked for: of the ways to run
    # such a pipeline the only one that costs 1 ms a call, not 70
    files = tf.concat([image_bytes, [b""]], axis=0)

    def decode_row(row: tf.Tensor):
        return row, *_decode(files[row], size)

    places, pixels, status = (
        tf.data.Dataset.range(tf.cast(rows + 1, tf.int64))
        .map(decode_row, num_parallel_calls=_DECODED_AT_ONCE)
        .ignore_errors()
        .batch(tf.cast(rows + 1, tf.int64))
        .get_single_element()
    )
    nothing, damaged = tf.zeros((rows + 1, size, size, 3), tf.uint8), tf.fill((rows + 1,), DAMAGED)
    pixels = tf.tensor_scatter_nd_update(nothing, places[:, None], pixels)
    return pixels[:-1], tf.tensor_scatter_nd_update(damaged, places[:, None], status)[:-1]


def resize(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """As `pipelines.pixels.resize`: [B, H, W, C] -> [B, S, S, C] of the same dtype.

    Pillow rounds 8-bit images after each direction, so this does. What is left is one grey level
    where a value lies on the edge of rounding.
    """
    stored, height = pixels.dtype, tf.shape(pixels)[1]
    # TensorFlow scales the first side first, Pillow the second one; and so no float image of the
    # original size is ever made
    turned = _scaled(tf.transpose(pixels, (0, 2, 1, 3)), (size, height))
    if stored == tf.uint8:
        turned = _rounded(turned, stored)
    resized = _scaled(tf.transpose(turned, (0, 2, 1, 3)), (size, size))
    return _rounded(resized, stored) if stored.is_integer else resized


def size_status(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """`OK`, or what is wrong with a size in pixels; scalars."""
    small = tf.minimum(height, width) < MINIMUM_SIDE
    large = (tf.maximum(height, width) > MAXIMUM_SIDE) | (
        tf.cast(height, tf.int64) * tf.cast(width, tf.int64) > MAXIMUM_PIXELS
    )
    found = tf.strings.format("image is {}x{} pixels", (width, height))
    too_small = tf.strings.join([found, f"; a side needs {MINIMUM_SIDE} at least"])
    most = f"; the most is {MAXIMUM_SIDE:,} a side, {MAXIMUM_PIXELS // 1_000_000} million in all"
    too_large = tf.strings.join([found, most])
    return tf.where(small, too_small, tf.where(large, too_large, OK))


def _decode(file: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    head = tf.strings.substr(tf.strings.join([tf.strings.substr(file, 0, 24), b"\0" * 24]), 0, 24)
    png = tf.strings.substr(head, 0, 8) == b"\x89PNG\r\n\x1a\n"
    jpeg = tf.strings.substr(head, 0, 3) == b"\xff\xd8\xff"

    def decode():
        pixels = tf.cond(
            png,
            lambda: tf.io.decode_png(file, 3),
            # Pillow's way; TensorFlow's own default differs by up to 5 grey levels
            lambda: tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE"),
        )
        return tf.ensure_shape(resize(pixels[None], size)[0], (size, size, 3))

    def sizes():
        return tf.cond(
            png,
            lambda: tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.int32, False)[::-1],
            lambda: tf.io.extract_jpeg_shape(file)[:2],
        )

    def known_status():
        height, width = tf.unstack(tf.ensure_shape(sizes(), (2,)))
        return size_status(height, width)

    unknown = tf.where(tf.strings.length(file) == 0, EMPTY, UNKNOWN)
    status = tf.cond(png | jpeg, known_status, lambda: unknown)
    empty = tf.zeros((size, size, 3), tf.uint8)
    return tf.cond(status == OK, decode, lambda: empty), status


def _scaled(pixels: tf.Tensor, sides) -> tf.Tensor:
    return tf.image.resize(pixels, sides, antialias=True)


def _rounded(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.floor(values + 0.5), dtype.min, dtype.max), dtype)
