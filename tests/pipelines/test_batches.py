import numpy as np
import pytest

from pipelines.augment import Augmentation
from pipelines.batches import evaluation_batches, training_batches, unpad
from pipelines.examples import Examples, Slots, carriers, shares, steps_per_epoch


def examples(images: int, each: int = 3, symmetric: bool = True, first: int = 0) -> Examples:
    """Image i is filled with first + i; its sentences are numbered 100 * (first + i) + j."""
    ids = first + np.arange(images)
    sentences = (100 * ids[:, None] + np.arange(each)).reshape(-1)
    return Examples(
        name="numbers",
        images=np.broadcast_to(ids[:, None, None, None], (images, 8, 8, 3)).astype("uint8"),
        targets={"kind": ids.astype("int32")},
        weights={"kind": np.ones(images, "float32")},
        slots={
            "question": Slots(
                starts=np.arange(images + 1) * each,
                inputs={"question": np.stack([sentences + 1] * 5, axis=1).astype("int32")},
                targets={"answer": sentences.astype("int32")},
                weights={"answer": np.ones(len(sentences), "float32")},
                symmetric=np.full(len(sentences), symmetric),
                types=(sentences % 100 > 0).astype(int),
            )
        },
    )


def read(dataset) -> list:
    return list(dataset.as_numpy_iterator())


def batches(parts, epochs=1, first_epoch=0, seed=0, size=4, slots=2, **settings):
    how = Augmentation(**settings) if settings else None
    return read(training_batches(parts, size, {"question": slots}, seed, epochs, first_epoch, how))


def test_an_epoch_gives_every_image_once():
    found = np.concatenate([y["kind"] for _, y, _ in batches([examples(12)])])
    assert sorted(found) == list(range(12))


def test_an_image_comes_with_its_own_target_and_its_own_sentences():
    for x, y, weight in batches([examples(12)]):
        assert (x["image"][:, 0, 0, 0] == y["kind"]).all()
        assert (y["answer"] // 100 == y["kind"][:, None]).all()
        assert (x["question"] == y["answer"][..., None] + 1).all()
        assert (weight["answer"] == 1).all()


def test_one_seed_gives_one_order_and_another_another():
    def order(seed):
        return [y["kind"].tolist() for _, y, _ in batches([examples(12)], epochs=2, seed=seed)]

    assert order(0) == order(0) != order(1)
    assert order(0)[:3] != order(0)[3:]  # and each epoch has its own


def test_a_resumed_run_sees_the_batches_it_would_have_seen():
    settings = {"symmetries": True, "seed": 3}
    whole = batches([examples(12), examples(7, first=50)], epochs=3, **settings)
    rest = batches([examples(12), examples(7, first=50)], epochs=3, first_epoch=2, **settings)
    for (x, y, _), (other_x, other_y, _) in zip(whole[-len(rest) :], rest, strict=True):
        assert (x["image"] == other_x["image"]).all()
        assert (y["answer"] == other_y["answer"]).all()


@pytest.mark.parametrize("at_once", [1, 8])
def test_batches_are_the_same_however_many_are_made_at_once(at_once, monkeypatch):
    settings = {"symmetries": True, "jitter": 0.3, "crop": 0.5, "slots": 0}
    usual = batches([examples(32)], epochs=4, **settings)
    monkeypatch.setattr("pipelines.batches._AT_ONCE", at_once)
    others = batches([examples(32)], epochs=4, **settings)
    for (x, y, _), (other_x, other_y, _) in zip(usual, others, strict=True):
        assert (y["kind"] == other_y["kind"]).all()
        assert (x["image"] == other_x["image"]).all()


def test_sentences_are_drawn_anew_each_epoch():
    seen = [set() for _ in range(4)]
    for _, y, _ in batches([examples(4, each=6)], epochs=40):
        for kind, answers in zip(y["kind"], y["answer"], strict=True):
            assert len(set(answers)) == 2
            seen[kind] |= set((answers % 100).tolist())
    assert all(len(each) == 6 for each in seen)


def test_slots_without_a_sentence_are_zero_and_weigh_nothing():
    for x, y, weight in batches([examples(4, each=2)], slots=5):
        assert (weight["answer"].sum(axis=1) == 2).all()
        assert (x["question"][weight["answer"] == 0] == 0).all()
        assert (y["answer"][weight["answer"] == 0] == 0).all()


def test_each_batch_holds_a_fixed_share_of_each_data_set():
    parts = [examples(30), examples(10, first=100)]
    for _, y, _ in batches(parts, size=8):
        assert (y["kind"] >= 100).sum() == 2
    assert steps_per_epoch(parts, 8) == 5


def test_a_small_data_set_is_in_every_batch():
    assert shares([1680, 71], 32) == [31, 1]
    assert shares([50, 50], 3) in ([2, 1], [1, 2])
    with pytest.raises(ValueError, match="at least the number of data sets"):
        shares([10, 10, 10], 2)


def test_data_sets_can_be_drawn_from_equally():
    assert shares([1680, 71], 32, balance=1) == [16, 16]
    assert shares([1600, 100], 30, balance=0.5) == [24, 6]


def test_rows_of_a_data_set_without_sentences_carry_no_slots():
    parts = [examples(6, each=0), examples(6, first=50), examples(6, each=0, first=80)]
    for x, y, weight in batches(parts, size=6):
        assert len(x["image"]) == len(y["kind"]) == 6
        assert y["answer"].shape == weight["answer"].shape == (2, 2)
        assert (y["answer"] // 100 == y["kind"][2:4, None]).all()
        assert (x["question"] == y["answer"][..., None] + 1).all()
    assert carriers(parts, [2, 3, 1]) == {"question": [slice(2, 5)]}
    assert carriers(parts[1:2], [4]) == {}
    mixed = [parts[1], parts[0], parts[1]]
    assert carriers(mixed, [1, 1, 2]) == {"question": [slice(0, 1), slice(2, 4)]}


def test_turned_tiles_carry_no_sentence_that_names_a_side():
    part = examples(40, symmetric=False)
    tiles = np.arange(8 * 8, dtype="uint8").reshape(8, 8, 1)
    part = Examples(
        part.name, np.stack([np.repeat(tiles, 3, -1)] * 40), part.targets, part.weights, part.slots
    )
    for x, _, weight in batches([part], symmetries=True):
        assert (x["image"] == part.images[:4]).all()  # every tile has sentences, so none is turned
        assert weight["answer"].all()


def test_tiles_are_turned_in_all_eight_ways():
    tile = np.arange(8 * 8, dtype="uint8").reshape(8, 8, 1)
    part = examples(64)
    part = Examples(
        part.name, np.stack([np.repeat(tile, 3, -1)] * 64), part.targets, part.weights, part.slots
    )
    seen = {image.tobytes() for x, _, _ in batches([part], symmetries=True) for image in x["image"]}
    assert len(seen) == 8


def test_evaluation_gives_every_row_once_and_in_order():
    part = examples(10, each=3)
    found = read(evaluation_batches(part, 4))
    images = np.concatenate([x["image"][:, 0, 0, 0] for x in found])
    questions = np.concatenate([x["question"][..., 0] for x in found])
    assert unpad(part, "image", images).tolist() == list(range(10))
    assert (
        unpad(part, "question", questions) == part.slots["question"].targets["answer"] + 1
    ).all()


def test_evaluation_takes_images_of_many_few_and_no_sentences():
    group = examples(3).slots["question"]
    starts = np.array([0, 5, 5, 9])
    part = Examples(
        "uneven", np.zeros((3, 8, 8, 3), "uint8"), {}, {}, {
            "question": Slots(starts, group.inputs, {}, {}, group.symmetric, group.types)
        },
    )  # fmt: skip
    found = np.concatenate([x["question"][..., 0] for x in read(evaluation_batches(part, 2))])
    assert (unpad(part, "question", found) == group.inputs["question"][:, 0]).all()


def test_a_data_set_without_sentences_is_evaluated_with_empty_slots():
    part = examples(4)
    group = part.slots["question"]
    none = Slots(
        np.zeros(5, int),
        {"question": group.inputs["question"][:0]},
        {"answer": group.targets["answer"][:0]},
        {"answer": group.weights["answer"][:0]},
        group.symmetric[:0],
        group.types[:0],
    )
    silent = Examples(part.name, part.images, part.targets, part.weights, {"question": none})
    (x,) = read(evaluation_batches(silent, 4))
    assert (x["question"] == 0).all()
    assert x["question"].shape[:2] == (4, 1)


@pytest.mark.parametrize(("balance", "expected"), [(0.0, 1 / 20), (1.0, 1 / 2)])
def test_rare_types_are_drawn_as_often_as_balance_says(balance, expected):
    """Of 20 sentences an image, the first is of a type of its own; one is drawn."""
    drawn = training_batches(
        [examples(8, each=20)], 8, {"question": 1}, 0, 200, type_balance=balance
    )
    rare = np.mean([(y["answer"] % 100 == 0).mean() for _, y, _ in read(drawn)])
    assert rare == pytest.approx(expected, abs=0.04)
