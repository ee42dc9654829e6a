"""Decoding: the cache changes nothing, the beam finds what is likeliest, captions are whole."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.decoder import CaptionDecoder
from spatialnet_keras.decoding import BeamSearch, log_likelihood
from spatialnet_keras.text import END, PAD, START, UNKNOWN

WIDTH, TOKENS = 32, 9
NEVER = [PAD, START, UNKNOWN]


def trained(words: int, length: int, seed: int = 0, dtype: str = "float32") -> keras.Model:
    """A decoder with weights large enough that each image and each word matters."""
    settings = {"heads": 4, "layers": 2, "dtype": dtype, "name": "caption_decoder"}
    decoder = CaptionDecoder(words, length, WIDTH, **settings)
    caption = keras.Input((None, length), dtype="int32", name="caption_in")
    tokens = keras.Input((None, WIDTH), name="image_tokens")
    model = keras.Model([caption, tokens], decoder(caption, tokens))
    rng = np.random.default_rng(seed)
    for variable in decoder.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape).astype("float32"))
    return model


def images(count: int = 5, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, TOKENS, WIDTH)).astype("float32")


def search(model: keras.Model, width: int, penalty: float = 0.0) -> keras.Model:
    tokens = keras.Input((None, WIDTH))
    found = BeamSearch(model.get_layer("caption_decoder"), width, penalty)(tokens)
    return keras.Model(tokens, found)


def log_probabilities(model: keras.Model, written: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Of the next word at each place, without a cache: [B, L, V] for words int [B, L]."""
    read = np.concatenate([np.full((len(written), 1), START), written[:, :-1]], axis=1)
    logits = ops.convert_to_numpy(model([read[:, None].astype("int32"), tokens]))[:, 0].copy()
    logits[:, :, NEVER] = -1e9
    return (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - (logits.max(-1, keepdims=True))
    )


def greedy_without_cache(model: keras.Model, tokens: np.ndarray, length: int) -> np.ndarray:
    written = np.zeros((len(tokens), length), int)
    for place in range(length):
        word = log_probabilities(model, written, tokens)[:, place].argmax(axis=-1)
        ended = (written[:, :place] == END).any(axis=1)
        written[:, place] = np.where(ended, PAD, word)
    return written


def test_greedy_writes_the_same_words_with_and_without_cache():
    model = trained(words=20, length=12)
    found, _ = search(model, width=1).predict(images(), verbose=0)
    assert found[:, 0].tolist() == greedy_without_cache(model, images(), 12).tolist()
    assert len({tuple(row) for row in found[:, 0]}) > 1  # not one caption for all


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_what_is_learned_between_two_captions_counts(dtype):
    model, other = (trained(words=20, length=12, seed=seed, dtype=dtype) for seed in (0, 1))
    writer = search(model, width=2)
    first = [writer.predict(images(), verbose=0)[0] for _ in range(3)]
    assert first[0].tolist() == first[1].tolist() == first[2].tolist()
    model.set_weights(other.get_weights())
    wanted, _ = search(other, width=2).predict(images(), verbose=0)
    assert writer.predict(images(), verbose=0)[0].tolist() == wanted.tolist() != first[0].tolist()


def test_the_likelihood_of_a_beam_is_its_score():
    model, tokens = trained(words=7, length=12), images()
    captions, scores = search(model, width=8).predict(tokens, verbose=0)
    assert (captions == PAD).any() and np.ptp(scores) > 1
    inputs = [keras.Input((None, 12), dtype="int32"), keras.Input((None, WIDTH))]
    decoder = model.get_layer("caption_decoder")
    judge = keras.Model(inputs, log_likelihood(decoder, *inputs))
    assert np.allclose(judge.predict([captions, tokens], verbose=0), scores, atol=1e-3)


def test_a_beam_as_wide_as_all_sentences_finds_the_likeliest():
    words, length = 7, 3
    model, tokens = trained(words, length), images(3)
    found, scores = search(model, width=40).predict(tokens, verbose=0)
    likely = {}
    for sentence in itertools.product(range(words), repeat=length):
        ended = [place for place in range(length) if sentence[place] == END]
        kept = sentence[: ended[0] + 1] if ended else sentence
        if any(word in NEVER for word in kept):
            continue
        row = np.array([[*kept, *[PAD] * (length - len(kept))]]).repeat(3, axis=0)
        told = log_probabilities(model, row, tokens)
        likely[tuple(row[0])] = sum(told[:, place, word] for place, word in enumerate(kept))
    best = [max(likely, key=lambda sentence: likely[sentence][image]) for image in range(3)]
    assert [tuple(row) for row in found[:, 0]] == best
    assert scores[:, 0] == pytest.approx([likely[s][i] for i, s in enumerate(best)], rel=1e-4)


def test_captions_end_once_and_hold_no_special_words():
    found, _ = search(trained(words=9, length=12), width=4).predict(images(16), verbose=0)
    for caption in found.reshape(-1, 12):
        ends = np.flatnonzero(caption == END)
        words = caption[: ends[0]] if len(ends) else caption
        assert not np.isin(words, NEVER).any()
        assert len(ends) <= 1 and (not len(ends) or not caption[ends[0] + 1 :].any())


def test_beams_come_best_first_and_differ():
    found, scores = search(trained(words=20, length=8), width=5).predict(images(), verbose=0)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len({tuple(caption) for caption in beams}) == 5 for beams in found)


def test_a_penalty_by_the_word_prefers_longer_captions():
    model = trained(words=9, length=12)
    lengths = []
    for penalty in (0.0, 1.0):
        found, _ = search(model, 5, penalty).predict(images(16), verbose=0)
        lengths.append((found[:, 0] != PAD).sum())
    assert lengths[1] > lengths[0]


@pytest.mark.parametrize("width", [1, 3])
def test_an_image_is_described_alike_alone_and_in_a_batch(width):
    model = search(trained(words=20, length=8), width)
    together, _ = model.predict(images(), verbose=0)
    alone, _ = model.predict(images()[2:3], verbose=0)
    assert together[2].tolist() == alone[0].tolist()


def test_a_saved_search_writes_the_same(tmp_path):
    made = search(trained(words=20, length=8), width=3)
    made.save(tmp_path / "search.keras")
    loaded = keras.saving.load_model(tmp_path / "search.keras")
    before, after = (each.predict(images(), verbose=0)[0] for each in (made, loaded))
    assert before.tolist() == after.tolist()
