"""Captions a second: cached decoding beside uncached, and beside `transformers`.

KERAS_BACKEND=jax python -m benchmarks.decoding --preset small

All write as many words as they may, for 16 images whose tokens are there already, with random
weights of one shape, in turns; the best turn counts. `transformers` is a GPT-2 with attention to
the image tokens, of the same depth and width, on PyTorch; left out where it is not installed.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.machine import Watch, title
from pipelines import commands
from spatialnet_keras.config import ConfigError, ModelConfig
from spatialnet_keras.presets import PRESETS, preset

PROGRAM = "python -m benchmarks.decoding"
VOCABULARY = 338  # of UCM-captions, with the special ids
TURNS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints one table."""
    watch = Watch()
    parser = commands.Parser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", help=f"{', '.join(PRESETS)} (default: small)")
    parser.add_argument("--images", type=int, default=16, metavar="B", help="a batch (16)")
    parser.add_argument("--words", type=int, default=24, metavar="L", help="a caption (24)")
    flags = parser.parse_args(arguments)
    if min(flags.images, flags.words) < 1:
        raise ConfigError("--images and --words must be at least 1.")
    config = preset(flags.preset).model
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(flags.images, config.tokens, config.width)).astype("float32")
    contestants = {
        **_ours(config, tokens, flags.words),
        **_theirs(config, tokens, flags.words),
    }
    seconds = {name: [] for name in contestants}
    for turn in range(TURNS + 1):
        for name, write in contestants.items():
            started = time.perf_counter()
            write()
            # the first turn compiles
            seconds[name] += [time.perf_counter() - started] if turn else []
    best = {name: min(found) for name, found in seconds.items()}
    what = f"Decoding, {flags.preset}, {flags.images} images, {flags.words} words"
    _show(what, flags.images, best, watch)


def _ours(config: ModelConfig, tokens: np.ndarray, words: int) -> dict[str, Callable[[], None]]:
    """Decoding with a cache, without one, and with five beams."""
    with commands.quiet_stderr():
        import dataclasses

        import keras

        from spatialnet_keras.decoder import CaptionDecoder
        from spatialnet_keras.decoding import BeamSearch

    decoder = CaptionDecoder.of(dataclasses.replace(config, caption_words=words), VOCABULARY)
    image = keras.Input(tokens.shape[1:], name="image_tokens")
    caption = keras.Input((None, words), dtype="int32", name="caption_in")
    decoder(caption, image)
    # no caption may end early, or the contestants would not write the same number of words
    _forbid_the_end(decoder)
    found = {
        "greedy, with cache": BeamSearch(decoder, 1)(image)[0],
        "greedy, without cache": _uncached(decoder)(image),
        "5 beams, with cache": BeamSearch(decoder, 5)(image)[0],
    }
    models = {name: keras.Model(image, output) for name, output in found.items()}

    def writer(model):
        return lambda: model.predict_on_batch(tokens)

    cached, uncached, _ = (np.asarray(writer(model)()) for model in models.values())
    if not np.array_equal(cached[:, 0], uncached) or not (cached > 0).all():
        raise RuntimeError("Decoding with and without cache wrote different words.")
    return {name: writer(model) for name, model in models.items()}


def _forbid_the_end(decoder) -> None:
    from keras import ops

    from spatialnet_keras.text import END

    table = np.array(ops.convert_to_numpy(decoder.embedding.embeddings))
    gain, shift = (np.array(ops.convert_to_numpy(each)) for each in decoder.norm.weights)
    # the logit of a word is its row times the normed vector: a constant channel of that vector
    gain[0], shift[0], table[:, 0], table[END, 0] = 0.0, 1.0, 0.0, -1e4
    decoder.embedding.embeddings.assign(table)
    decoder.norm.gamma.assign(gain)
    decoder.norm.beta.assign(shift)


def _uncached(decoder):
    """A layer that reads the whole caption again for each word."""
    import keras
    from keras import ops

    from spatialnet_keras.text import PAD, START, UNKNOWN

    class Uncached(keras.layers.Layer):
        def call(self, image_tokens):
            shape = (ops.shape(image_tokens)[0], decoder.length)
            never = ops.sum(ops.one_hot(ops.array([PAD, START, UNKNOWN]), decoder.words), axis=0)
            start = ops.full((shape[0], 1), START, "int32")

            def write(place, written):
                read = ops.concatenate([start, written[:, :-1]], axis=1)
                logits = decoder(read[:, None], image_tokens)[:, 0]
                logits = ops.take(logits, place, axis=1) - 1e9 * never
                word = ops.cast(ops.argmax(logits, axis=-1), "int32")
                return place + 1, ops.slice_update(written, (0, place), word[:, None])

            begin = (ops.convert_to_tensor(0, "int32"), ops.full(shape, PAD, "int32"))
            return ops.while_loop(lambda place, _: place < decoder.length, write, begin)[1]

        def compute_output_spec(self, image_tokens):
            return keras.KerasTensor((image_tokens.shape[0], decoder.length), "int32")

    return Uncached()


def _theirs(config: ModelConfig, tokens: np.ndarray, words: int) -> dict[str, Callable[[], None]]:
    """`generate` of transformers, with its cache."""
    try:
        import torch
        import transformers
    except ImportError:
        return {}
    from spatialnet_keras.facts import cores

    torch.set_num_threads(cores())
    network = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=words + 1,
            n_embd=config.width,
            n_layer=config.caption_layers,
            n_head=config.heads,
            n_inner=config.mlp_ratio * config.width,
            add_cross_attention=True,
            bos_token_id=2,
            eos_token_id=None,
            pad_token_id=0,
        )
    ).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.to(device)
    image = torch.as_tensor(tokens, device=device)
    start = torch.full((len(tokens), 1), 2, device=device)
    mask = torch.ones(tokens.shape[:2], dtype=torch.long, device=device)

    def writer(beams: int):
        def write():
            with torch.inference_mode():
                found = network.generate(
                    start,
                    attention_mask=torch.ones_like(start),
                    encoder_hidden_states=image,
                    encoder_attention_mask=mask,
                    min_new_tokens=words,
                    max_new_tokens=words,
                    num_beams=beams,
                    do_sample=False,
                )
            if found.cpu().shape != (len(tokens), words + 1):  # there when the device has finished
                raise RuntimeError(f"transformers wrote {tuple(found.shape)}.")

        return write

    return {"transformers, greedy": writer(1), "transformers, 5 beams": writer(5)}


def _show(what: str, images: int, best: dict[str, float], watch: Watch) -> None:
    from importlib.util import find_spec

    import keras
    from rich.console import Console
    from rich.table import Table

    backend = keras.config.backend()
    packages = {backend, "torch", "transformers"} if find_spec("transformers") else {backend}
    table = Table(title=title(what, watch, *sorted(packages)))
    table.add_column("decoding")
    for column in ("ms a batch", "images/s", "times uncached"):
        table.add_column(column, justify="right")
    for name, seconds in best.items():
        table.add_row(
            name,
            f"{seconds * 1000:,.1f}",
            f"{images / seconds:,.1f}",
            f"{best['greedy, without cache'] / seconds:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    commands.run(PROGRAM, main, ConfigError)
