"""Notebooks are essays: stripped, nothing defined; `pytest --nbmake notebooks` runs them."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def test_there_are_four_and_each_opens_with_its_number():
    assert [source(cells(path, "markdown")[0])[:4] for path in NOTEBOOKS] == [
        "# 1.", "# 2.", "# 3.", "# 4.",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing_that_the_package_should_own(path):
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(source(cell))):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_explains_more_than_it_runs(path):
    said = sum(len(source(cell).split()) for cell in cells(path, "markdown"))
    assert said > 200
    assert len(cells(path, "markdown")) >= len(cells(path, "code")) / 2
