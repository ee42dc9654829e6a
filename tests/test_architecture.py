"""The architecture of DESIGN: imports point downward, TensorFlow stays in its two places."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "train.py",
    *(ROOT / "pipelines").rglob("*.py"),
    *(ROOT / "spatialnet_keras").rglob("*.py"),
]

# From the top of the house to its foundation: a module imports only from rooms below its own.
FLOORS = [
    {"train"},
    {
        "spatialnet_keras.evaluate", "spatialnet_keras.predict", "spatialnet_keras.scene",
        "spatialnet_keras.report", "spatialnet_keras.export",
    },
    {"spatialnet_keras.training"},
    {"spatialnet_keras.reporting"},
    {"spatialnet_keras.evaluation", "spatialnet_keras.prediction"},
    {"spatialnet_keras.plots"},
    {"spatialnet_keras.inference"},
    {"spatialnet_keras.run", "spatialnet_keras.data"},
    {"spatialnet_keras.encode", "spatialnet_keras.consensus"},
    {"spatialnet_keras.model"},
    {"spatialnet_keras.encoders", "spatialnet_keras.tasks"},
    {"spatialnet_keras.decoding"},
    {"spatialnet_keras.decoder"},
    {
        "spatialnet_keras.layers", "spatialnet_keras.text", "spatialnet_keras.scores",
        "spatialnet_keras.pytorch",
    },
    {
        "spatialnet_keras.presets", "spatialnet_keras.flags", "spatialnet_keras.facts",
        "spatialnet_keras.backend",
    },
    {"spatialnet_keras.config"},
    {"spatialnet_keras.settings"},
    {"spatialnet_keras.fields"},
    {"pipelines"},
]  # fmt: skip


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(name: str) -> int | None:
    for number, rooms in enumerate(FLOORS):
        if any(name == room or name.startswith(room + ".") for room in rooms):
            return number
    return None


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_imports_point_downward(path):
    here = floor(module(path))
    if here is None:
        assert module(path) == "spatialnet_keras", f"{module(path)} has no place in FLOORS"
        return
    for name in imports(path):
        there = floor(name)
        assert there is None or there >= here, f"{module(path)} imports {name} from above"


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_tensorflow_stays_in_pipelines_and_export(path):
    if module(path).startswith(("pipelines", "spatialnet_keras.export")):
        return
    assert not {name for name in imports(path) if name.split(".")[0].startswith("tensorflow")}


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_no_backend_is_imported_by_hand_but_in_one_place(path):
    # Keras offers neither traces nor TF32 on PyTorch
    allowed = {"torch"} if module(path) == "spatialnet_keras.pytorch" else set()
    assert {name.split(".")[0] for name in imports(path)} & {"jax", "torch"} <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_every_module_opens_with_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_conda_installs_what_pyproject_lists_and_nothing_else():
    lines = (ROOT / "environment.yml").read_text().split("dependencies:")[1].split()
    assert [line for line in lines if line != "-"] == ["python=3.11", "pip", "pip:", "-e", "."]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "3.11" in project["requires-python"]


def test_constraints_pin_every_dependency_within_its_bounds():
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    for text in project["dependencies"] + extras:
        requirement = requirements.Requirement(text)
        if requirement.name == "jupyterlab":  # nothing runs on it
            continue
        assert requirement.specifier.contains(pins[requirement.name]), text
