"""The house is what the file list says: floors, parameters, and one list of dependencies."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

MODULES = sorted((ROOT / "nbs").glob("*/[0-9][0-9]_*.ipynb"))
EXPERIMENTS = sorted((ROOT / "nbs" / "experiments").rglob("*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def code(path):
    """Sources and tags of a notebook's code cells."""
    return [
        ("".join(c["source"]), c["metadata"].get("tags", []))
        for c in json.loads(path.read_text())["cells"]
        if c["cell_type"] == "code"
    ]


def test_there_are_fourteen_experiments_and_all_modules():
    assert len(EXPERIMENTS) >= 14
    exported = {p.relative_to(ROOT / "digitstudy").with_suffix("") for p in (ROOT / "digitstudy").glob("*/[a-z]*.py")}
    assert {Path(p.parent.name, p.stem[3:]) for p in MODULES} == exported | {
        Path("reader/reader")
    }  # the last is reader/__init__.py


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_an_experiment_can_be_run_by_papermill(path):
    cells = code(path)
    tagged = [source for source, tags in cells if "parameters" in tags]
    assert len(tagged) == 1
    names = {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(tagged[0]).body}
    assert names["profile"] == "smoke" and {"seed", "batch_size", "device", "output"} <= set(names)
    assert all("#" in line for line in tagged[0].splitlines()), "every parameter says what it means"
    whole = "\n".join(source for source, _ in cells)
    assert f'begin("{path.stem[3:]}", globals())' in whole and "run.finish(" in whole


@pytest.mark.parametrize("path", MODULES + EXPERIMENTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_notebook_begins_with_its_name_and_one_line(path):
    first = "".join(json.loads(path.read_text())["cells"][0]["source"]).splitlines()
    assert re.match(r"# \S", first[0])
    quote = next(line for line in first[1:] if line.strip())
    assert quote.startswith("> ") and sum(line.startswith(">") for line in first) == 1


def dependencies():
    """What `make setup` installs: all extras but those that only a comparison or a format needs."""
    extras = {
        name: group
        for name, group in PYPROJECT["optional-dependencies"].items()
        if name not in ("peers", "heic", "more-fonts")
    }
    return PYPROJECT["dependencies"] + [
        d for group in extras.values() for d in group if not d.startswith("digitstudy[")
    ]


def test_conda_environment_is_pyprojects_twin():
    twin = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in twin if isinstance(entry, dict))
    assert sorted(pip) == sorted(dependencies())
    assert "python" + PYPROJECT["requires-python"] in twin


def test_every_dependency_has_a_tested_version():
    def name(requirement):
        return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")

    tested = {
        name(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")
    }
    assert {name(d) for d in dependencies()} <= tested


def test_the_front_page_links_to_what_is_there():
    links = [
        link for link in re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text()) if not link.startswith("http")
    ]
    assert len(links) > 5 and [link for link in links if not (ROOT / link).exists()] == []


def test_the_fonts_that_are_looked_for_are_those_that_are_installed():
    parts = [
        part
        for source, _ in code(ROOT / "nbs" / "synth" / "01_fonts.ipynb")
        if "FAMILIES = (" in source
        for part in ast.parse(source).body
    ]
    lists = [part for part in parts if isinstance(part, ast.Assign) and part.targets[0].id.endswith("FAMILIES")]
    wanted = [sorted(f"fontpkg-{name}" for name in ast.literal_eval(part.value.func.value).split()) for part in lists]
    assert wanted == [sorted(PYPROJECT["optional-dependencies"][extra]) for extra in ("fonts", "more-fonts")]
