"""What moves what: questions, images, padding; and that a saved network is the same network."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from spatialnet_keras.config import Config, override
from spatialnet_keras.model import answering_model, build_model
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.tasks import TASKS
from spatialnet_keras.training.network import training_model
from tests.tasks.test_tasks import records

TINY = override(PRESETS["tiny"], {"model.question_words": 12, "model.caption_words": 10})
TASKS_HERE = tuple(task.configured(TINY.model).fit([records()]) for task in TASKS)
CAPTION = next(task for task in TASKS_HERE if task.unit == "caption")
WORDS = 40
# "question_type" looks at nothing but which words there are: it has a test of its own
TASKS_OF_THE_IMAGE = [task.name for task in TASKS_HERE if task.reads != ("words_vector",)]
QUESTION_TASKS = [task.name for task in TASKS_HERE if task.reads == ("question_vector",)]


def build(config: Config = TINY, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build_model(config, TASKS_HERE, WORDS)
    rng = np.random.default_rng(seed)
    # a fresh class token is zero and fresh gains are one: move everything off its start
    for variable in model.trainable_variables:
        noise = rng.normal(scale=0.05, size=variable.shape).astype("float32")
        variable.assign(ops.convert_to_numpy(variable) + noise)
    return model


def inputs(images: int = 2, questions: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    size, words = TINY.model.image_size, TINY.model.question_words
    asked = rng.integers(4, WORDS, (images, questions, words)).astype("int32")
    asked[..., 7:] = 0
    said = CAPTION.inputs(["a river runs past .", "dark green trees ."] * images)
    return {
        "image": rng.integers(0, 256, (images, size, size, 3)).astype("uint8"),
        "question": asked,
        "caption_in": said.reshape(images, 2, -1),
    }


def answers(model: keras.Model, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(y) for name, y in model(x, training=False).items()}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return build()


def test_every_task_is_an_output_of_its_name(model):
    found = answers(model, inputs())
    leading = {"image": (2,), "question": (2, 3), "caption": (2, 2, 10)}
    for task in TASKS_HERE:
        classes = len(getattr(task, "classes", getattr(task, "words", "1")))
        assert found[task.name].shape == (*leading[task.unit], classes)


def test_another_question_changes_the_answers_and_not_the_land_use(model):
    x, other = inputs(), inputs()
    other["question"] = inputs(seed=1)["question"]
    before, after = answers(model, x), answers(model, other)
    assert distance(before["land_use"], after["land_use"]) == 0
    assert distance(before["caption"], after["caption"]) == 0
    for name in QUESTION_TASKS:
        assert distance(before[name], after[name]) > 1e-3


def test_another_image_changes_everything(model):
    x, other = inputs(), inputs()
    other["image"] = inputs(seed=1)["image"]
    before, after = answers(model, x), answers(model, other)
    for name in TASKS_OF_THE_IMAGE:
        assert distance(before[name], after[name]) > 1e-3


def test_the_type_of_a_question_is_read_from_its_words_alone(model):
    x = inputs()
    before = answers(model, x)["question_type"]
    other_image = answers(model, x | {"image": inputs(seed=1)["image"]})["question_type"]
    other_words = answers(model, x | {"question": inputs(seed=1)["question"]})["question_type"]
    assert distance(before, other_image) == 0
    assert distance(before, other_words) > 1e-3


@pytest.mark.parametrize("deviation", [0.03, 1.0])
def test_the_type_of_a_question_is_read_at_one_scale_however_its_words_start(deviation):
    """Or words that start small would tell it late."""
    keras.utils.set_random_seed(0)
    made = build_model(override(TINY, {"model.word_deviation": deviation}), TASKS_HERE, WORDS)
    encoder, x = made.get_layer("question_encoder"), inputs()
    tokens = np.zeros((2, 4, TINY.model.width), "float32")
    found = encoder([x["question"], tokens, tokens[:, 0]])["words_vector"]
    assert ops.convert_to_numpy(found).std(axis=-1) == pytest.approx(1, abs=0.05)


def test_an_image_answers_only_its_own_questions(model):
    x, other = inputs(), inputs()
    other["image"][1] = inputs(seed=1)["image"][1]
    before, after = answers(model, x), answers(model, other)
    for name in TASKS_OF_THE_IMAGE:
        assert distance(before[name][0], after[name][0]) < 1e-5
        assert distance(before[name][1], after[name][1]) > 1e-3


def test_the_order_of_the_words_matters(model):
    x, other = inputs(), inputs()
    other["question"][:, :, :7] = other["question"][:, :, 6::-1]
    before, after = answers(model, x), answers(model, other)
    for name in QUESTION_TASKS:
        assert distance(before[name], after[name]) > 1e-3


def test_the_order_of_the_questions_does_not_matter(model):
    x, other = inputs(), inputs()
    other["question"] = other["question"][:, ::-1]
    before, after = answers(model, x), answers(model, other)
    for name in QUESTION_TASKS:
        assert distance(before[name], after[name][:, ::-1]) < 1e-5


def test_empty_slots_change_nothing(model):
    x = inputs()
    padded = x | {"question": np.pad(x["question"], ((0, 0), (0, 4), (0, 0)))}
    before, after = answers(model, x), answers(model, padded)
    for name in QUESTION_TASKS:
        assert distance(before[name], after[name][:, :3]) < 1e-5
        assert np.isfinite(after[name]).all()


def test_a_longer_question_row_changes_nothing():
    """Padding words are neither attended to nor averaged: only the table of positions grows."""
    short = build()
    long = build(override(TINY, {"model.question_words": 20}))
    for mine, theirs in zip(long.variables, short.variables, strict=True):
        if mine.shape == theirs.shape:
            mine.assign(ops.convert_to_numpy(theirs))
        else:
            table = ops.convert_to_numpy(mine).copy()
            table[:12] = ops.convert_to_numpy(theirs)
            mine.assign(table)
    x = inputs()
    padded = x | {"question": np.pad(x["question"], ((0, 0), (0, 0), (0, 8)))}
    before, after = answers(short, x), answers(long, padded)
    for name in before:
        assert distance(before[name], after[name]) < 1e-5


def test_a_word_of_a_caption_is_told_from_those_before_it_alone(model):
    x, other = inputs(), inputs()
    other["caption_in"][:, :, 4:] = 5
    before, after = answers(model, x)["caption"], answers(model, other)["caption"]
    assert distance(before[:, :, :4], after[:, :, :4]) < 1e-5
    assert distance(before[:, :, 4:], after[:, :, 4:]) > 1e-3


def test_captions_of_an_image_know_nothing_of_each_other(model):
    x, other = inputs(), inputs()
    other["caption_in"][:, 1] = 6
    before, after = answers(model, x)["caption"], answers(model, other)["caption"]
    assert distance(before[:, 0], after[:, 0]) < 1e-5
    assert distance(before[:, 1], after[:, 1]) > 1e-3


def test_the_answering_model_says_what_the_trained_one_says_and_writes_captions(model):
    answering = answering_model(model, TINY, TASKS_HERE)
    x = {name: inputs()[name] for name in ("image", "question")}
    assert set(answering.input) == set(x)
    before, after = answers(model, inputs()), answers(answering, x)
    for task in TASKS_HERE:
        if task.unit != "caption":
            assert distance(before[task.name], after[task.name]) < 1e-5
    assert after["caption"].shape == (2, TINY.decode.beams, 10)
    assert after["image_vector"].shape == (2, TINY.model.width)


VARIANTS = {
    "tiny": {},
    "class token, sine, post-norm": {
        "model.pooling": "cls",
        "model.positions": "sine",
        "model.norm": "post",
    },
    "fusion by product": {"model.fusion": "product"},
    "fusion none": {"model.fusion": "none"},
    "two tables for caption words": {"model.tied_embeddings": False},
    "dropout and stochastic depth": {"model.dropout": 0.2, "model.stochastic_depth": 0.3},
}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_a_saved_network_is_the_same_network(values, tmp_path):
    made = build(override(TINY, values))
    made.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before, after = answers(made, inputs()), answers(loaded, inputs())
    assert all(distance(before[name], after[name]) == 0 for name in before)


def test_dropout_and_stochastic_depth_act_in_training_alone():
    made = build(override(TINY, VARIANTS["dropout and stochastic depth"]))
    x = inputs()
    assert distance(answers(made, x)["land_use"], answers(made, x)["land_use"]) == 0
    trained = [ops.convert_to_numpy(made(x, training=True)["land_use"]) for _ in range(2)]
    assert distance(*trained) > 1e-3


def test_fusion_none_loses_the_question_as_the_authors_code_does():
    made = build(override(TINY, {"model.fusion": "none"}))
    before = answers(made, inputs())
    other = answers(made, inputs() | {"question": inputs(seed=1)["question"]})
    for name in QUESTION_TASKS:
        assert distance(before[name], other[name]) == 0


def test_fusion_by_product_answers_from_question_and_image():
    made = build(override(TINY, {"model.fusion": "product"}))
    before = answers(made, inputs())
    for changed in ("image", "question"):
        other = answers(made, inputs() | {changed: inputs(seed=1)[changed]})
        for name in QUESTION_TASKS:
            assert distance(before[name], other[name]) > 1e-4
    assert before["presence"].shape == (2, 3, 2)


def test_sine_positions_tell_rows_from_columns_and_do_not_train():
    made = build(override(TINY, {"model.positions": "sine"}))
    encoder = made.get_layer("image_encoder")
    layer = encoder.get_layer("patch_positions")
    assert not layer.trainable_variables
    x = inputs()
    turned = x | {"image": x["image"].transpose(0, 2, 1, 3)}
    assert distance(answers(made, x)["land_use"], answers(made, turned)["land_use"]) > 1e-3


def test_without_question_tasks_there_is_no_question():
    made = build_model(TINY, TASKS_HERE[:1], WORDS)
    assert list(made.input) == ["image"] or made.input_names == ["image"]


def test_sixteen_bits_and_five_bands_go_in_as_they_are():
    pixels = dataclasses.replace(
        TINY.pixels, bands=5, dtype="uint16", mean=(900.0,) * 5, deviation=(300.0,) * 5
    )
    made = build_model(dataclasses.replace(TINY, pixels=pixels), TASKS_HERE[:1], WORDS)
    tile = np.random.default_rng(0).integers(0, 10_000, (2, 64, 64, 5)).astype("uint16")
    assert np.isfinite(made.predict({"image": tile}, verbose=0)["land_use"]).all()


def test_weights_have_names_of_their_own():
    made = build()
    paths = [variable.path for variable in made.weights]
    assert len(set(paths)) == len(paths)


def test_the_papers_encoder_has_the_papers_size():
    # 12 blocks of D 512 with an MLP of 4 D, 256 positions, a 16 x 16 x 3 patch embedding:
    # 12 * (12 * 512**2 + 13 * 512) + 257 * 512 + 768 * 512 + 2 * 512, counted by hand
    made = build_model(PRESETS["paper"], TASKS_HERE[:1], WORDS)
    assert made.get_layer("image_encoder").count_params() == 38_354_432


def test_as_many_captions_are_followed_as_beams_are_asked_for(model):
    for beams in (1, 3):
        config = override(TINY, {"decode.beams": beams})
        x = {name: value for name, value in inputs().items() if name != "caption_in"}
        written = answers(answering_model(model, config, TASKS_HERE), x)["caption"]
        assert written.shape == (2, beams, 10)


def test_rows_that_carry_sentences_answer_as_in_a_batch_where_all_do(model):
    carriers = {"question": [slice(1, 3)], "caption": [slice(0, 1), slice(3, 4)]}
    trained = training_model(model, TINY, TASKS_HERE, carriers)
    x = inputs(images=4)
    expected = answers(model, x)
    rows = {"question": [1, 2], "caption": [0, 3]}
    some = {
        "image": x["image"],
        "question": x["question"][rows["question"]],
        "caption_in": x["caption_in"][rows["caption"]],
    }
    found = answers(trained, some)
    assert found.keys() == expected.keys()
    for task in TASKS_HERE:
        ours = rows.get(task.unit, range(4))
        assert distance(found[task.name], expected[task.name][list(ours)]) < 1e-5
