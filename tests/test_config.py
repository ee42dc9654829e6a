import pytest

from spatialnet_keras.config import (
    Config,
    ConfigError,
    DecodeConfig,
    ModelConfig,
    TrainConfig,
    override,
)
from spatialnet_keras.flags import named_folder
from spatialnet_keras.presets import PRESETS, preset


def test_the_paper_preset_is_exactly_the_papers():
    paper = PRESETS["paper"]
    assert (paper.model.image_size, paper.model.patch_size, paper.model.tokens) == (256, 16, 256)
    assert (paper.model.width, paper.model.layers, paper.model.heads) == (512, 12, 8)
    assert (paper.train.batch_size, paper.train.epochs) == (32, 50)
    assert paper.train.learning_rate == 1e-4
    assert paper.tasks == ()  # every lambda_t is 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name):
    config = PRESETS[name]
    assert config.preset == name
    assert Config.from_json(config.to_json()) == config


def test_data_tasks_and_pixels_survive_json():
    config = Config(data=(("folder", "/tiles"),), tasks=(("count", 0.5),))
    assert Config.from_json(config.to_json()) == config


def test_dotted_overrides_change_one_field():
    config = override(PRESETS["tiny"], {"model.width": 128, "train.epochs": 3})
    assert (config.model.width, config.train.epochs) == (128, 3)
    assert config.model.layers == PRESETS["tiny"].model.layers


def test_overrides_that_need_each_other_come_in_any_order():
    wanted = {"decode.consensus": True, "decode.neighbours": 3}
    plain = {"decode.consensus": False, "decode.neighbours": 0}
    for start, values in ((Config(), wanted), (PRESETS["tiny"], plain)):
        for each in (values, dict(reversed(values.items()))):
            assert override(start, each).decode.neighbours == values["decode.neighbours"]


def test_no_consensus_takes_with_it_what_hangs_on_it_unless_that_is_asked_for():
    decode = override(PRESETS["tiny"], {"decode.consensus": False}).decode
    assert (decode.neighbours, decode.temperature) == (0, 0)
    with pytest.raises(ConfigError, match="neighbours needs consensus true"):
        override(PRESETS["tiny"], {"decode.consensus": False, "decode.neighbours": 3})


@pytest.mark.parametrize(("regime", "share"), [("full", 1), ("lora", 1), ("frozen", 0.35)])
def test_a_preset_trained_as_a_whole_has_no_frozen_share_unless_asked_for(regime, share):
    start = PRESETS["transfer"]
    assert override(start, {"train.encoder": regime}).model.frozen_share == share
    asked = {"model.frozen_share": 0.5, "train.encoder": regime}
    assert override(start, asked).model.frozen_share == 0.5


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (ModelConfig, {"patch_size": 15}, "patch_size must divide image_size"),
        (
            ModelConfig,
            {"patch_size": 12, "image_size": 36, "stem": "convolutions"},
            "stem convolutions needs patch_size 1, 2, 4, 8, ... Received: 12",
        ),
        (ModelConfig, {"patch_size": 12, "image_size": 36, "encoder": "cnn"}, "cnn needs patch"),
        (
            ModelConfig,
            {"encoder": "cnn", "stem": "convolutions"},
            "of encoder vit. Received: 'cnn'",
        ),
        (ModelConfig, {"heads": 7}, "heads must divide width"),
        (ModelConfig, {"layers": -1}, "layers"),
        (ModelConfig, {"dropout": 1.0}, "dropout must be in"),
        (ModelConfig, {"norm": "per"}, "Did you mean pre?"),
        (ModelConfig, {"width": 6, "heads": 1, "positions": "sine"}, "width % 4"),
        (ModelConfig, {"width": 6, "heads": 1, "positions": "conditional"}, "width % 4"),
        (
            ModelConfig,
            {"positions": "conditional", "token_dropout": 0.5},
            "token_dropout must be 0. Received: 0.5",
        ),
        (
            ModelConfig,
            {"positions": "conditional", "encoder": "cnn"},
            "conditional is of encoder vit. Received: 'cnn'",
        ),
        (ModelConfig, {"word_deviation": 0.0}, "word_deviation must be positive. Received: 0.0"),
        (TrainConfig, {"batch_size": 0}, "batch_size must be at least 1"),
        (TrainConfig, {"learning_rate": float("nan")}, "learning_rate must be positive"),
        (TrainConfig, {"optimizer": "adamv"}, "Did you mean adam?"),
        (TrainConfig, {"ema": 1.5}, "ema must be in"),
        (TrainConfig, {"data_balance": 1.5}, "data_balance must be in [0, 1]. Received: 1.5"),
        (TrainConfig, {"turn": 200.0}, "turn must be in [0, 180]. Received: 200.0"),
        (TrainConfig, {"turn": 9.0, "teacher": "runs/a"}, "turn must be 0, or teacher_looks"),
        (
            TrainConfig,
            {"teacher": "runs/a", "teacher_looks": "always", "encoder": "cached"},
            "teacher_looks must be once",
        ),
        (TrainConfig, {"turn": 9.0, "encoder": "cached"}, "in quarter turns"),
        (DecodeConfig, {"beams": "3"}, "beams must be a whole number. Received: '3'."),
        (DecodeConfig, {"beams": 3.5}, "beams must be a whole number. Received: 3.5."),
        (DecodeConfig, {"beams": True}, "beams must be a whole number. Received: True."),
        (DecodeConfig, {"consensus": "false"}, "consensus must be True or False. Received: 'fal"),
        (DecodeConfig, {"temperature": None}, "temperature must be a number. Received: None."),
        (ModelConfig, {"encoder": None}, "encoder must be text. Received: None."),
        (TrainConfig, {"type_balance": -1.0}, "type_balance must not be negative. Received: -1"),
    ],
)
def test_what_cannot_work_is_refused_with_what_was_received(section, values, words):
    with pytest.raises(ConfigError) as caught:
        section(**values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean small"):
        preset("smal")


def test_a_data_flag_needs_a_folder():
    assert named_folder("ucm_captions=a=b") == ("ucm_captions", "a=b")
    with pytest.raises(ConfigError, match="NAME=DIR"):
        named_folder("ucm_captions")
