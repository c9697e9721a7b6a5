"""The reader as people use it: `digitstudy read` on renderings it was never trained on, and on everything that is no
good picture."""

import csv
import hashlib
import io
import json
import pickle
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND, ROOT, WATCHDOG, digitstudy, sentence
from PIL import Image, ImageDraw, ImageFont, features

from digitstudy.reader import Reader

PICTURES = Path(__file__).with_name("pictures")
LABELS = {row["file"]: row for row in csv.DictReader((PICTURES / "labels.csv").open())}


def lines(process):
    """The answers of `digitstudy read --json`."""
    assert "Traceback" not in process.stderr, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.fixture(scope="module")
def answers():
    """What the reader says of all renderings, by file name."""
    process = digitstudy("read", PICTURES, "--json")
    assert process.returncode == 0, process.stderr
    return {Path(line["file"]).name: line for line in lines(process)}


def overlap(a, b):
    """Intersection over union of two boxes (left, top, width, height)."""
    sides = [max(0, min(a[k] + a[k + 2], b[k] + b[k + 2]) - max(a[k], b[k])) for k in (0, 1)]
    both = sides[0] * sides[1]
    return both / (a[2] * a[3] + b[2] * b[3] - both)


@pytest.mark.parametrize("kind, least, tight", [("canvas", 0.95, 0.93), ("paper", 0.8, 0.85), ("house", 0.85, 0.8)])
def test_renderings_are_read_and_placed(answers, kind, least, tight):
    mine = {name: row for name, row in LABELS.items() if name.startswith(kind)}
    right = [answers[name]["digits"] == row["digits"] for name, row in mine.items()]
    assert len(right) == 60 and np.mean(right) >= least, f"{kind}: {np.mean(right):.3f}"
    boxes = [
        overlap(answers[name]["box"], [float(row[k]) for k in ("left", "top", "width", "height")])
        for (name, row), good in zip(mine.items(), right, strict=True)
        if good
    ]
    assert np.mean(boxes) >= tight, f"{kind}: {np.mean(boxes):.3f}"


def test_every_answer_has_the_promised_form(answers):
    assert list(answers) == sorted(answers) and set(answers) == set(LABELS)
    for line in answers.values():
        assert list(line) == ["file", "digits", "box", "confidence", "digit_confidence"]
        assert 0 <= line["confidence"] <= 1 and len(line["digit_confidence"]) == len(line["digits"])
        assert (line["box"] is None) == (line["digits"] == "")


def test_confidence_tells_right_from_wrong(answers):
    right = {name: answers[name]["digits"] == row["digits"] for name, row in LABELS.items()}
    sure = [answers[name]["confidence"] for name, good in right.items() if good]
    unsure = [answers[name]["confidence"] for name, good in right.items() if not good]
    assert not unsure or np.mean(sure) > np.mean(unsure) + 0.2
    confident = [good for name, good in right.items() if answers[name]["confidence"] > 0.9]
    assert np.mean(confident) > 0.93


def test_the_model_is_the_one_on_its_card():
    model = ROOT / "digitstudy" / "reader" / "reader.onnx"
    card = json.loads(model.with_suffix(".json").read_text())
    assert hashlib.sha256(model.read_bytes()).hexdigest() == card["sha256"] and model.stat().st_size < 5_000_000
    measured = json.loads((ROOT / "reports" / "benchmarks" / "shipped" / "record.json").read_text())
    assert measured["model_sha256"] == card["sha256"]
    for split, scores in card["scores"].items():
        assert scores["sequence_accuracy"] == measured["scores"][split]["sequence_accuracy"]
    assert card["limits"] and card["not_for"]


def number(size=(320, 240), text="58", mode="L"):
    """A picture of a plain number."""
    image = Image.new("L", size, 225)
    ImageDraw.Draw(image).text((size[0] // 3, size[1] // 3), text, 30, ImageFont.load_default(size[1] // 3))
    return image.convert(mode)


@pytest.fixture
def folder(tmp_path):
    """One picture of each kind that people have, all of the number 58 but for the last two."""
    number().save(tmp_path / "a-grey.png")
    number(mode="CMYK").save(tmp_path / "b-cmyk.jpg")
    Image.fromarray(np.asarray(number()).astype(np.uint16) * 257).save(tmp_path / "c-sixteen-bit.png")
    Image.fromarray(np.asarray(number()).astype(np.uint16) * 257).save(tmp_path / "d-sixteen-bit.tif")
    number().save(tmp_path / "e-animated.gif", save_all=True, append_images=[number(text="13")])
    exif = Image.Exif()
    exif[274] = 6
    number().rotate(90, expand=True).save(tmp_path / "f-turned.jpg", exif=exif)
    number(mode="P").save(tmp_path / "g-palette.png")
    ink = Image.fromarray(255 - np.asarray(number()))
    clear = Image.merge("LA", (Image.new("L", ink.size, 0), ink.point(lambda v: 255 if v > 120 else 0)))
    clear.save(tmp_path / "h-transparent.png")
    number((4000, 3000)).save(tmp_path / "i-large.jpg")
    Image.new("RGB", (1, 1), "white").save(tmp_path / "j-one-pixel.png")
    Image.new("L", (2000, 3), 128).save(tmp_path / "k-thin.png")
    return tmp_path


def test_every_kind_of_picture_is_read(folder):
    process = digitstudy("read", folder, "--json")
    found = {Path(line["file"]).name: line for line in lines(process)}
    assert process.returncode == 0 and len(found) == 11
    for name, line in found.items():
        assert line["digits"] == ("" if name[0] in "jk" else "58"), (name, line)
    small, large = found["a-grey.png"]["box"], found["i-large.jpg"]["box"]
    assert np.allclose(np.array(large) / 12.5, small, atol=4), "the box is in the picture's own pixels"


def test_broken_pictures_are_told_in_their_place_and_the_others_are_read(tmp_path):
    number().save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    names = ["cut.png", "good.png", "empty.jpg", "none.png", "page.jpg", "huge.png"]
    process = digitstudy("read", *(tmp_path / name for name in names), "--json")
    said = lines(process)
    assert process.returncode == 1
    assert [Path(line["file"]).name for line in said] == names
    assert said[1]["digits"] == "58" and "error" not in said[1]
    for line, words in zip(
        said,
        ["may be cut off", None, "not an image", "There is no file", "not an image", "make it smaller"],
        strict=True,
    ):
        assert words is None or words in line["error"], line


def test_damaged_bytes_never_show_a_traceback(tmp_path):
    rng, source = random.Random(0), io.BytesIO()
    number((160, 120)).save(source, "JPEG")
    for k in range(60):
        data = bytearray(source.getvalue())
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / f"{k:02}.jpg").write_bytes(data[: rng.randrange(len(data) // 3, len(data) + 1)])
    process = digitstudy("read", tmp_path, "--json")
    said = lines(process)
    assert len(said) == 60 and process.returncode == int(any("error" in line for line in said))


def test_tables_and_drawings(folder, tmp_path):
    out = tmp_path / "drawn"
    process = digitstudy("read", folder / "a-grey.png", folder / "j-one-pixel.png", "--csv", "--annotate", out)
    rows = list(csv.DictReader(io.StringIO(process.stdout)))
    assert [row["digits"] for row in rows] == ["58", ""] and float(rows[0]["width"]) > 20
    assert f"2 annotated copies are in {out}" in process.stderr
    drawn = np.asarray(Image.open(out / "a-grey-read.png"))
    assert drawn.shape == (240, 320, 3) and (drawn == (0, 255, 0)).all(2).any()
    assert sorted(f.name for f in out.iterdir()) == ["a-grey-read.png", "j-one-pixel-read.png"]
    plain = digitstudy("read", folder / "a-grey.png", folder / "j-one-pixel.png").stdout.splitlines()
    assert ": 58 (" in plain[0] and plain[1].endswith(": no number")


def test_annotated_copies_never_take_the_place_of_a_file(folder, tmp_path):
    """The folder of the originals may be that of the copies: twice, and with a file that has a copy's name."""
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy(folder / "a-grey.png", here / "a-grey.png")
    shutil.copy(folder / "a-grey.png", here / "a-grey-read.png")  # somebody's own
    before = {f.name: f.read_bytes() for f in here.iterdir()}
    for _ in range(2):
        process = digitstudy("read", here, "--annotate", here)
        assert process.returncode == 0 and len(process.stdout.splitlines()) == 2, process.stderr
        after = {f.name: f.read_bytes() for f in here.iterdir()}
        assert {name: after[name] for name in before} == before
        assert len(after) == 4


def test_a_name_that_the_terminal_cannot_show(folder, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy(folder / "a-grey.png", here / "tür.png")
    for style in ((), ("--csv",)):
        process = digitstudy("read", here, *style, env={"PYTHONIOENCODING": "ascii"})
        assert process.returncode == 0 and "t\\xfcr.png" in process.stdout, process.stderr


def test_files_that_a_folder_may_hold(folder, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    picture = Image.open(folder / "a-grey.png").convert("RGB")
    kinds = {"a.jfif": "JPEG", "b.jp2": "JPEG2000", "c.mpo": "MPO"} | (
        {"d.avif": "AVIF"} if features.check("avif") else {}
    )
    for name, kind in kinds.items():
        picture.save(here / name, kind)
    (here / "e.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    process = digitstudy("read", here, "--json")
    read = lines(process)
    assert [line.get("digits") for line in read[:-1]] == ["58"] * len(kinds)
    assert process.returncode == 1 and ("HEIC" in read[-1]["error"] or "cannot be read" in read[-1]["error"])


def test_a_reader_can_be_pickled(folder):
    reader = pickle.loads(pickle.dumps(Reader(fine_passes=0)))
    assert reader.fine_passes == 0 and reader(io.BytesIO((folder / "a-grey.png").read_bytes())).digits == "58"


def test_standard_input_and_wrong_calls(folder, tmp_path):
    piped = subprocess.run(
        [COMMAND, "read", "-", "--json"],
        input=(folder / "a-grey.png").read_bytes(),
        capture_output=True,
        timeout=WATCHDOG,
    )
    assert json.loads(piped.stdout)["digits"] == "58"
    assert "choose one" in sentence(digitstudy("read", folder, "--json", "--csv"))
    (tmp_path / "nothing").mkdir()
    assert "There are no pictures" in sentence(digitstudy("read", tmp_path / "nothing"))
    (tmp_path / "bad.onnx").write_text("no model")
    assert "onnxruntime" in sentence(digitstudy("read", folder, "--model", tmp_path / "bad.onnx"))
    assert "There is no model" in sentence(digitstudy("read", folder, "--model", tmp_path / "none.onnx"))


def test_measured_on_ones_own_pictures(tmp_path):
    process = digitstudy("evaluate", "--images", PICTURES, "--labels", PICTURES / "labels.csv")
    measured = dict(line.split(": ") for line in process.stdout.splitlines())
    assert process.returncode == 0 and measured["images"] == "180"
    assert 0.85 < float(measured["joint_accuracy"]) <= float(measured["sequence_accuracy"])
    (tmp_path / "labels.csv").write_text("file,digits\nnone.png,1\n")
    assert "There is no file" in sentence(
        digitstudy("evaluate", "--images", tmp_path, "--labels", tmp_path / "labels.csv")
    )
    assert "There is no checkpoint" in sentence(digitstudy("export", tmp_path / "model.pt", tmp_path / "mine.onnx"))
