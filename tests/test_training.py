"""The loss that is trained, the optimiser, and runs that start from, or go on after, others."""

import dataclasses
import math
import sys

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.batches import training_batches
from pipelines.records import DataError, Question
from spatialnet_keras import data, training
from spatialnet_keras.config import ConfigError, override
from spatialnet_keras.model import build_model
from spatialnet_keras.presets import PRESETS
from spatialnet_keras.run import Run
from spatialnet_keras.training.callbacks import averaged_weights
from spatialnet_keras.training.checkpoints import load_state, save_state
from spatialnet_keras.training.compiling import build_losses, compile_model
from spatialnet_keras.training.optimizers import LayerwiseAdamW, optimizer

CANNOT_PROFILE = keras.config.backend() == "jax" and sys.version_info < (3, 12)
SMALLEST = {
    "model.image_size": 32,
    "model.patch_size": 16,
    "model.width": 16,
    "model.layers": 1,
    "model.question_layers": 1,
    "model.caption_layers": 1,
    "model.heads": 2,
    "train.batch_size": 16,
    "train.questions_per_image": 4,
    "train.epochs": 1,
}


def config(city, **values):
    changed = override(
        PRESETS["tiny"], SMALLEST | {k.replace("__", "."): v for k, v in values.items()}
    )
    return dataclasses.replace(changed, data=(("synthetic", str(city)),))


@pytest.fixture(scope="module")
def parts(city):
    return data.read(config(city), "train")


def compiled(run: Run, parts, steps: int = 10) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = build_model(run.config, run.tasks, len(run.vocabulary))
    compile_model(model, run.config, run.tasks, steps)
    build_losses(model, first_batch(run, parts))
    return model


def first_batch(run: Run, parts):
    examples = [part.encode(run.tasks, run.vocabulary, run.config) for part in parts]
    batches = training_batches(examples, 16, {kind: 4 for kind in examples[0].slots}, 0, 1)
    return next(batches.as_numpy_iterator())


def test_the_loss_is_the_sum_over_tasks_times_lambda_plus_the_norm_of_the_weights(
    city, parts, tmp_path
):
    """L = sum_t lambda_t L_t + lambda_reg |W|^2 (paper, III.C)."""
    weights = (("land_use", 0.5), ("count", 2.0), ("presence", 1.0))
    asked = dataclasses.replace(config(city, train__l2=0.01), tasks=weights)
    run = training.prepare(asked, tmp_path, parts)
    model = compiled(run, parts)
    x, y, weight = first_batch(run, parts)
    outputs = model(x, training=False)
    expected = {
        task.name: float(
            ops.convert_to_numpy(task.loss()(y[task.name], outputs[task.name], weight[task.name]))
        )
        for task in run.tasks
    }
    norm = sum(
        float(np.sum(ops.convert_to_numpy(each) ** 2))
        for each in model.trainable_variables
        if each.name == "kernel"
    )
    logs = model.test_on_batch(x, y, weight, return_dict=True)
    for name, value in expected.items():
        assert float(logs[f"{name}_loss"]) == pytest.approx(value, rel=1e-4)
    total = sum(dict(weights)[name] * value for name, value in expected.items()) + 0.01 * norm
    assert float(logs["loss"]) == pytest.approx(total, rel=1e-4)


def test_a_task_without_labels_in_the_batch_leaves_its_head_alone(city, parts, tmp_path):
    run = training.prepare(config(city, train__optimizer="adam"), tmp_path, parts)
    model = compiled(run, parts)
    x, y, weight = first_batch(run, parts)
    weight = weight | {"count": np.zeros_like(weight["count"])}
    kernel = model.get_layer("count").trainable_variables[0]
    before = np.array(ops.convert_to_numpy(kernel))
    for _ in range(3):
        logs = model.train_on_batch(x, y, weight, return_dict=True)
    assert np.isfinite(float(logs["loss"]))
    assert np.array_equal(before, ops.convert_to_numpy(kernel))


@pytest.mark.filterwarnings("error:Gradients do not exist")
@pytest.mark.parametrize("name", ["land_use", "presence", "count", "caption"])
def test_a_network_for_one_task_has_only_weights_that_learn(city, parts, tmp_path, name):
    """Or Keras warns, and says that a loss may be missing."""
    asked = dataclasses.replace(config(city), tasks=((name, 1.0),))
    run = training.prepare(asked, tmp_path, parts)
    model = compiled(run, parts)
    before = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    for _ in range(2):
        model.train_on_batch(*first_batch(run, parts))
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(old, ops.convert_to_numpy(variable)), variable.path


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="others trace otherwise")
def test_a_step_is_traced_once(city, parts, tmp_path, monkeypatch):
    """Twice, and each training would start eight seconds later."""
    run = training.prepare(config(city), tmp_path, parts)
    model, traced = compiled(run, parts), []
    compute_loss = model.compute_loss
    monkeypatch.setattr(
        model, "compute_loss", lambda *a, **k: traced.append(1) or compute_loss(*a, **k)
    )
    for _ in range(2):
        model.train_on_batch(*first_batch(run, parts))
    assert traced == [1]


def test_lambda_zero_builds_nothing(city, parts, tmp_path):
    asked = dataclasses.replace(config(city), tasks=(("land_use", 1.0), ("count", 0.0)))
    run = training.prepare(asked, tmp_path, parts)
    assert [task.name for task in run.tasks] == ["land_use"]


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ((("landuse", 1.0),), "Did you mean land_use?"),
        ((("land_use", -1.0),), "must be 0 or more, and finite"),
        ((("land_use", 1.0), ("count", math.nan)), "must be 0 or more, and finite"),
        ((("land_use", 0.0),), "No task is left"),
    ],
)
def test_tasks_that_cannot_be_trained_are_refused(city, parts, tmp_path, tasks, words):
    with pytest.raises(ConfigError) as caught:
        training.prepare(dataclasses.replace(config(city), tasks=tasks), tmp_path, parts)
    assert words in str(caught.value)


def test_questions_that_no_task_answers_are_mentioned(city, parts, tmp_path, capsys):
    records = parts[0].records
    strange = (Question("What colour is the roof?", "colour", "red"),)
    rows = tuple(dataclasses.replace(row, questions=row.questions + strange) for row in records)
    changed = dataclasses.replace(records, rows=rows)
    training.prepare(config(city), tmp_path, [dataclasses.replace(parts[0], records=changed)])
    assert f"{len(rows)} training questions are of type 'colour'" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["count", "presence"])
def test_a_task_without_any_label_is_refused_by_name(city, tmp_path, name):
    caption_only = dataclasses.replace(
        config(city), data=(("ucm_captions", str(city / "ucm_captions")),), tasks=((name, 1.0),)
    )
    parts = data.read(caption_only, "train")
    with pytest.raises(ConfigError, match=f"No training image has a label for {name}"):
        training.prepare(caption_only, tmp_path, parts)


def test_sets_with_and_without_questions_are_trained_jointly(city, tmp_path):
    """Captions hang on one set, questions on the other, land use on one: one network of all."""
    sets = tuple((name, str(city / name)) for name in ("ucm_captions", "rsvqa_lr"))
    asked = dataclasses.replace(config(city, train__data_balance=1.0, train__epochs=1), data=sets)
    run = training.train(asked, tmp_path / "run", verbose=0)
    (entry,) = run.metrics["history"]
    learned = {name.removesuffix("_loss") for name in entry if not name.startswith("val_")}
    assert {"land_use", "presence", "count", "caption"} <= learned
    scored = {row["task"] for row in run.metrics["scores"] if row["split"] == "test"}
    assert {"land_use", "presence", "count", "caption"} <= scored
    assert {each.unit for each in run.tasks} == {"image", "question", "caption"}


def test_the_rate_rises_then_falls():
    settings = dataclasses.replace(PRESETS["paper"].train, warmup=0.1)
    rate = optimizer(settings, 100).learning_rate
    schedule = optimizer(settings, 100)._learning_rate
    values = [float(ops.convert_to_numpy(schedule(step))) for step in (0, 5, 10, 55, 100)]
    assert float(ops.convert_to_numpy(rate)) == values[0] == 0
    assert values[1] == pytest.approx(0.5e-4)
    assert values[2] == pytest.approx(1e-4)
    assert values[2] > values[3] > values[4] == pytest.approx(0, abs=1e-9)
    constant = optimizer(dataclasses.replace(settings, schedule="constant"), 100)
    assert float(ops.convert_to_numpy(constant._learning_rate(99))) == pytest.approx(1e-4)


def test_the_last_step_trains_however_long_the_warm_up():
    for steps in (1, 2, 10):
        settings = dataclasses.replace(PRESETS["paper"].train, warmup=0.96)
        schedule = optimizer(settings, steps)._learning_rate
        rate = float(ops.convert_to_numpy(schedule(steps - 1)))
        assert rate == pytest.approx(settings.learning_rate)


def test_a_state_survives_its_file(city, parts, tmp_path):
    run = training.prepare(config(city, model__dropout=0.3, train__ema=0.9), tmp_path, parts)
    model = compiled(run, parts)
    batch = first_batch(run, parts)
    model.train_on_batch(*batch)
    save_state(tmp_path / "state.npz", model, [{"epoch": 1}])
    other = compiled(run, parts)
    assert load_state(tmp_path / "state.npz", other) == [{"epoch": 1}]
    pairs = zip(
        [*model.variables, *model.optimizer.variables],
        [*other.variables, *other.optimizer.variables],
        strict=True,
    )
    assert all(np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b)) for a, b in pairs)


def test_the_mean_of_the_weights_is_lent_and_given_back(city, parts, tmp_path):
    run = training.prepare(config(city, train__ema=0.5), tmp_path, parts)
    model = compiled(run, parts)
    for _ in range(3):
        model.train_on_batch(*first_batch(run, parts))
    own = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    with averaged_weights(model):
        lent = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    back = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    assert any(not np.array_equal(a, b) for a, b in zip(own, lent, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(own, back, strict=True))


def test_a_mean_of_no_step_is_not_lent(city, parts, tmp_path):
    """A scaled loss may skip the steps of a whole epoch."""
    run = training.prepare(config(city, train__ema=0.5), tmp_path, parts)
    model = compiled(run, parts)
    own = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    with averaged_weights(model):
        lent = [np.array(ops.convert_to_numpy(each)) for each in model.trainable_variables]
    assert all(np.array_equal(a, b) for a, b in zip(own, lent, strict=True))


def test_weights_decay_at_their_own_rate():
    layers = [keras.layers.Dense(1, use_bias=False) for _ in range(2)]
    for layer in layers:
        layer.build((None, 1))
        layer.kernel.assign([[1.0]])
    kernels = [layer.kernel for layer in layers]
    made = LayerwiseAdamW({kernels[0].path: 0.1}, learning_rate=0.1, weight_decay=0.5)
    made.build(kernels)
    made.apply([ops.zeros((1, 1))] * 2, kernels)
    left = [float(ops.convert_to_numpy(each)[0, 0]) for each in kernels]
    assert left == pytest.approx([0.995, 0.95])


def test_a_run_is_recorded_reopened_and_not_trained_again(run_config, trained_run):
    names = {path.name for path in trained_run.iterdir()}
    assert names == {
        "config.json", "tasks.json", "vocabulary.txt", "best.keras", "metrics.json",
        "checkpoints", "tensorboard", "report.html", "model_card.md",
        "confusion_land_use_val.png", "confusion_land_use_test.png",
    }  # fmt: skip
    before = (trained_run / "metrics.json").read_text()
    made = training.train(run_config, trained_run, verbose=0)
    assert (trained_run / "metrics.json").read_text() == before
    opened = Run.open(trained_run)
    assert (opened.config, opened.tasks, opened.vocabulary) == (
        made.config, made.tasks, made.vocabulary,
    )  # fmt: skip
    metrics = opened.metrics
    assert [entry["epoch"] for entry in metrics["history"]] == [1, 2]
    assert {"loss", "val_loss", "val_score", "val_count_mae"} <= set(metrics["history"][0])
    for row in metrics["scores"]:
        assert {"task", "score", "value", "majority", "rows"} <= set(row)
        assert row["rows"] > 0


def test_training_that_falls_apart_says_so(city, tmp_path):
    wild = config(city, train__learning_rate=1e30, train__clip_norm=0.0, train__warmup=0.0)
    wild = dataclasses.replace(wild, tasks=(("land_use", 1.0),))
    with pytest.raises(ConfigError, match=r"lower --train\.learning_rate"):
        training.train(wild, tmp_path / "run", verbose=0)


def test_another_configuration_does_not_overwrite_a_run(city, parts, tmp_path):
    run = training.prepare(config(city), tmp_path / "run", parts)
    run.start()
    run.best.touch()  # an epoch is finished
    rate = PRESETS["tiny"].train.learning_rate
    with pytest.raises(ConfigError, match=rf"train.learning_rate \({rate}, now 0.1\)"):
        training.prepare(config(city, train__learning_rate=0.1), tmp_path / "run", parts).start()


def test_a_folder_that_is_no_run_is_left_alone(city, parts, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="not a run and not empty"):
        training.prepare(config(city), tmp_path, parts).start()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("dtype", ["mixed_bfloat16"])
def test_mixed_precision_trains_and_answers_in_float32(city, parts, tmp_path, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        run = training.prepare(config(city), tmp_path, parts)
        model = compiled(run, parts)
        x, y, weight = first_batch(run, parts)
        assert np.isfinite(float(model.train_on_batch(x, y, weight, return_dict=True)["loss"]))
        outputs = model(x, training=False)
        assert {keras.backend.standardize_dtype(each.dtype) for each in outputs.values()} == {
            "float32"
        }
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_broken_state_is_named(city, parts, tmp_path):
    run = training.prepare(config(city), tmp_path, parts)
    model = compiled(run, parts)
    (tmp_path / "state.npz").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(DataError, match="Delete it to start anew"):
        load_state(tmp_path / "state.npz", model)


@pytest.mark.skipif(not CANNOT_PROFILE, reason="Keras can profile here")
def test_a_profile_is_refused_where_it_cannot_be_made(city, tmp_path):
    with pytest.raises(ConfigError, match=r"profile on JAX needs Python 3\.12"):
        training.train(override(config(city), {"train.profile": 2}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
