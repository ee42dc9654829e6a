"""What README promises who adds a task: it is trained, scored, and predicted like the others."""

import dataclasses

import pytest

import spatialnet_keras
from pipelines.records import Records
from spatialnet_keras import predict, tasks, training
from spatialnet_keras.run import Run
from spatialnet_keras.tasks.question import ClosedQuestion
from spatialnet_keras.tasks.task import Classification, Truth


@dataclasses.dataclass(frozen=True)
class Initial(Classification):
    """Of the whole tile: what its land use begins with."""

    unit = "image"
    reads = ("image_vector",)

    def truths(self, records: Records) -> list[Truth]:
        return [row.land_use and row.land_use[0] for row in records]


NEW = (Initial("initial"), ClosedQuestion("again", question_type="presence"))


@pytest.fixture
def run(run_config, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", tasks.TASKS + NEW)
    monkeypatch.setattr(training, "TASKS", tasks.TASKS)
    wanted = ("land_use", "initial", "again")
    train = dataclasses.replace(run_config.train, epochs=1, mix=0.5)
    config = dataclasses.replace(run_config, train=train, tasks=tuple((n, 1.0) for n in wanted))
    training.train(config, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_new_tasks_are_trained_scored_and_predicted(run, city, capsys):
    scores = {(score["task"], score["score"]) for score in run.metrics["scores"]}
    assert {("initial", "accuracy"), ("again", "accuracy")} <= scores
    tile = next((city / "ucm_captions" / "imgs").iterdir())
    predictor = spatialnet_keras.load(run.path)
    (said,), _ = predictor.predict(predictor.read([tile])[0][None])
    assert said.others["initial"].text in predictor.tasks["initial"].classes
    assert predict.to_json(said)["initial"]["name"] == said.others["initial"].text
    predict.main([str(run.path), str(tile), "--question", "Is a road present?", "--type", "again"])
    shown = capsys.readouterr().out
    assert "initial" in shown
    assert "Is a road present?" in shown
    assert "initial" in (run.path / "report.html").read_text()
