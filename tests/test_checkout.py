"""The checkout stays small: what git keeps, how much of it, and nothing twice."""

import base64
import hashlib
import io
import json
import subprocess
from collections import Counter

import pytest
from conftest import ROOT
from PIL import Image

MOST, MOST_REPORTS, MAX_WIDTH = 40e6, 25e6, 1200  # bytes, bytes, pixels


@pytest.fixture(scope="module")
def tracked():
    """The files that git keeps."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("there is no git here that could tell what it keeps")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def too_large(files, most):
    """A sentence on files that take more than `most` bytes together; nothing if they do not."""
    size = sum(path.stat().st_size for path in files)
    return f"{size / 1e6:.1f} MB, and {most / 1e6:.0f} are allowed" if size > most else ""


def test_sizes(tracked):
    assert not too_large(tracked, MOST)
    assert not too_large([path for path in tracked if path.is_relative_to(ROOT / "reports")], MOST_REPORTS)


def test_a_checkout_that_grew_is_told(tmp_path):
    (tmp_path / "large").write_bytes(bytes(1000))
    assert too_large([tmp_path / "large"], 999) and not too_large([tmp_path / "large"], 1000)


def test_nothing_large_is_kept_twice(tracked):
    large = [path for path in tracked if path.stat().st_size > 100_000]
    copies = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in large)
    assert max(copies.values()) == 1
    assert [path.name for path in tracked if path.suffix == ".onnx"] == ["reader.onnx"]


def test_one_executed_notebook_for_each_experiment(tracked):
    executed = Counter(path.parents[1].name for path in tracked if path.match("reports/*/records/*/*/notebook.ipynb"))
    assert executed and max(executed.values()) == 1, executed.most_common(3)


def test_pictures_in_notebooks_are_no_wider_than_a_page(tracked):
    wide = []
    for path in (path for path in tracked if path.suffix == ".ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            for picture in (output.get("data", {}).get("image/png") for output in cell.get("outputs", [])):
                if picture and Image.open(io.BytesIO(base64.b64decode("".join(picture)))).width > MAX_WIDTH:
                    wide.append(path.name)
    assert wide == []
