"""The live page in a browser: its answers are Python's, before the camera, for photos and for drawings, and it says
what is wrong."""

import base64
import csv
import io
import json
import os
import re
import signal
import subprocess
import urllib.request

import numpy as np
import pytest
from conftest import COMMAND, ENVIRONMENT, ROOT, WATCHDOG, digitstudy, sentence
from live.harness import PICTURES, film, missing, page, play, served
from PIL import Image

from digitstudy.app.webpage import PAGE, gallery
from digitstudy.reader import Reader
from digitstudy.reader.image import load_image

LABELS = {row["file"]: row for row in csv.DictReader((PICTURES / "labels.csv").open())}
NUMBER = "paper-24.jpg"  # what is held before the camera
PHONE = (390, 844)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page as files, with pictures of all sizes beside it."""
    if why := missing():
        pytest.skip(f"The live page is not tested: {why}")
    folder = page(tmp_path_factory.mktemp("live"))
    (folder / "pictures").mkdir()
    for name in LABELS:
        (folder / "pictures" / name).write_bytes((PICTURES / name).read_bytes())
    number = load_image(PICTURES / NUMBER)
    for size in ((2051, 1537), (1023, 770), (640, 480), (97, 71), (33, 240), (999, 20), (1, 1), (2, 700)):
        number.resize(size).save(folder / "pictures" / f"odd-{size[0]}x{size[1]}.png")
    number.resize((5200, 3900)).save(folder / "pictures" / "large.jpg")
    exif = Image.Exif()
    exif[274] = 6
    number.rotate(90, expand=True).save(folder / "pictures" / "odd-turned.jpg", exif=exif, quality=95)
    ink = Image.fromarray((255 - np.asarray(number.convert("L")).astype(int)).clip(0, 255).astype(np.uint8))
    Image.merge("LA", (Image.new("L", ink.size, 0), ink)).save(folder / "pictures" / "odd-clear.png")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


def handed(path, kind="image/jpeg", name=""):
    """A file, as a scenario takes it."""
    return {"name": name or path.name, "type": kind, "base64": base64.b64encode(path.read_bytes()).decode()}


def test_pixels_are_pillows_to_the_last_bit(folder):
    rng = np.random.default_rng(0)
    asked, expected = [], []
    for k in range(200):
        width, height = map(int, rng.integers(1, 140, 2))
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        image = Image.fromarray(pixels if k % 3 else (pixels // 128 * 255).astype(np.uint8))
        sent = {"width": width, "height": height, "data": base64.b64encode(image.convert("RGBA").tobytes()).decode()}
        if k % 2:
            factor = int(rng.integers(1, 12))
            asked.append(sent | {"factor": factor})
            expected.append(image.reduce(factor))
        else:
            (left, right), (top, bottom) = (np.sort(rng.uniform(0, side, 2)).tolist() for side in (width, height))
            box = [0, 0, width, height] if k % 8 == 0 else [left, top, right, bottom]
            size = rng.integers(1, 200, 2).tolist()
            asked.append(sent | {"size": size, "box": box})
            expected.append(image.resize(size, Image.Resampling.BILINEAR, box))
    command = ["node", ROOT / "tests" / "live" / "pillow.mjs", folder / "pillow.js"]
    made = json.loads(
        subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=WATCHDOG
        ).stdout
    )
    for question, picture, wanted in zip(asked, made, expected, strict=True):
        got = Image.frombytes("RGBA", (picture["width"], picture["height"]), base64.b64decode(picture["data"])).convert(
            "RGB"
        )
        question.pop("data")
        assert got.size == wanted.size and got.tobytes() == wanted.tobytes(), question


def test_answers_are_steadied(folder):
    command = ["node", "--test", "--test-reporter=tap", ROOT / "tests" / "live" / "steady.test.mjs"]
    done = subprocess.run(
        command, env=os.environ | {"LIVE": str(folder)}, capture_output=True, text=True, timeout=WATCHDOG
    )
    assert done.returncode == 0 and "# pass 6" in done.stdout, done.stdout


def test_the_browser_answers_what_python_does(folder, address):
    names = sorted(path.name for path in (folder / "pictures").iterdir() if path.name != "large.jpg")
    seen = play("parity", address, names=names)
    assert seen["faults"] == [] and len(names) == 190
    read, off = Reader(), []
    for name, there in zip(names, seen["readings"], strict=True):
        here = read(folder / "pictures" / name)
        assert there.get("digits", "") == here.digits, name
        assert (there["width"], there["height"]) == load_image(folder / "pictures" / name).size
        if here:
            assert np.allclose(there["box"], here.box, atol=1), (name, there["box"], here.box)
            assert np.allclose(there["digitBoxes"], here.digit_boxes, atol=1), name
            sure = zip(
                [there["confidence"], *there["digitConfidence"]], [here.confidence, *here.digit_confidence], strict=True
            )
            off.append(max(abs(a - b) for a, b in sure))
    # Where a look's edge falls between two pixels, the last bit of a float decides: in Python too, such an answer is
    # not firmer than this.
    assert max(off) < 0.05 and np.mean(np.array(off) < 0.01) > 0.97, sorted(off)[-6:]


def test_what_is_too_large_for_a_canvas_is_made_smaller(folder, address):
    (there,) = play("parity", address, names=["large.jpg"])["readings"]
    here = Reader()(folder / "pictures" / "large.jpg")
    assert there["digits"] == here.digits and 2**23 < there["width"] * there["height"] <= 2**24
    assert np.allclose(np.array(there["box"]) / there["width"], np.array(here.box) / 5200, atol=0.004)


def test_a_number_before_the_camera(folder, address, tmp_path):
    number = LABELS[NUMBER]["digits"]
    seen = play(
        "camera", address, film=str(film(tmp_path / "film.mjpeg", NUMBER, 150, 60)), number=number, milliseconds=14_000
    )
    assert seen["faults"] == []
    said = [(one["digits"], one["verdict"]) for one in seen["said"]]
    shown = [one for one, _ in said if one]
    assert shown.count(number) > 0.9 * len(shown), said
    assert 0.3 < len(shown) / len(said) < 0.95, "the film is empty for two of seven seconds"
    assert {verdict for one, verdict in said if not one} == {"No number"}
    changes = sum(a[0] != b[0] for a, b in zip(said, said[1:], strict=False))
    assert changes <= 12, f"it flickers: {said}"
    assert max(one["pace"] for one in seen["said"]) >= 1, "frames a second"

    still = Image.open(io.BytesIO(base64.b64decode(seen["still"].partition(",")[2])))
    here = Reader()(still)
    assert still.size == (640, 480) and seen["frozen"]["digits"] == here.digits == number == seen["copied"]
    assert abs(int(re.search(r"\d+", seen["frozen"]["verdict"])[0]) - 100 * here.confidence) <= 1.5
    left, top, width, height = np.array(here.box) / (640, 480, 640, 480)
    drawn = np.array(seen["drawn"])[[0, 2, 3]]  # above its top there is the label
    assert np.allclose(drawn, [left, left + width, top + height], atol=0.02) and top - 0.08 < seen["drawn"][1] < top
    assert np.allclose([1 - seen["mirrored"][2], 1 - seen["mirrored"][0]], [left, left + width], atol=0.02)
    assert seen["stopped"]["invited"].startswith("Hold a number before the camera") and not seen["stopped"]["live"]


def test_another_camera_is_chosen_and_one_that_stops_is_told(address):
    seen = play("cameras", address)
    assert seen["faults"] == [] and len(seen["offered"]) == 2
    assert {seen["first"], seen["second"]} == set(seen["offered"])
    assert seen["said"] == "The camera stopped: connect it again and start it."


@pytest.mark.parametrize("size", [(1280, 800), PHONE], ids=["desktop", "phone"])
def test_photos_by_every_way(address, tmp_path, size):
    (tmp_path / "odd.jpg").write_text("<!doctype html><title>404</title>")
    seen = play(
        "photos",
        address,
        photo=handed(PICTURES / NUMBER),
        odd=handed(tmp_path / "odd.jpg"),
        size=size,
        dark=size == PHONE,
    )
    assert seen["faults"] == []
    for way in ("dropped", "pasted", "chosen", "again"):
        assert (
            seen[way]["digits"] == LABELS[NUMBER]["digits"]
            and "sure" in seen[way]["verdict"]
            and not seen[way]["trouble"]
        ), way
    assert (
        seen["odd"]["trouble"] == "odd.jpg is not a picture that this browser can open: give a JPEG, PNG, WebP or GIF."
    )
    assert seen["nothing"]["trouble"] == "There is no picture to paste: copy one first."
    assert seen["keyboard"]["digits"] == LABELS[gallery()[0]["file"]]["digits"]
    assert seen["mode"] == ["draw", True] and max(seen["overflow"]) <= 0


def stroke(*points, left=0.0):
    """A stroke of the mouse: shares of the sheet."""
    return [[left + x, y] for x, y in points]


def ring(left):
    return stroke(*((0.06 * np.sin(t), 0.5 - 0.16 * np.cos(t)) for t in np.linspace(0, 2 * np.pi, 24)), left=left)


def test_drawings_are_read_as_they_are_written(address):
    one, seven = stroke((0.2, 0.34), (0.2, 0.66)), stroke((0.3, 0.35), (0.42, 0.35), (0.35, 0.66))
    seen = play("drawing", address, digits=[[one], [seven], [ring(0.56)]], size=(1280, 800), dark=False)
    assert seen["faults"] == []
    assert seen["written"] == ["1", "17", "170"] and seen["less"] == "17" and seen["cleared"] == ["", True]


def test_the_page_opens_without_a_network(address, folder):
    seen = play("offline", address, folder=str(folder), digits=[stroke((0.3, 0.35), (0.42, 0.35), (0.35, 0.66))])
    assert seen["faults"] == [] and seen["written"]["digits"] == "7" and not seen["written"]["trouble"]


def test_what_is_missing_is_said(address, folder, tmp_path):
    seen = play("troubles", address, film=str(film(tmp_path / "film.mjpeg", NUMBER, 10, 0)))
    assert seen["faults"] == []
    assert "The camera is not allowed here: allow it" in seen["refused"][0]
    assert "No camera was found: connect one" in seen["none"][0]
    assert seen["refused"][1] == seen["none"][1] == "", "a drawing needs no camera"
    for name, words in {
        "wasm": "WebAssembly",
        "model": "The reader's model is missing",
        "runtime": "The runtime that the reader needs",
    }.items():
        assert words in seen[name][0] and seen[name][0] == seen[name][1], name


def test_loading_is_shown_and_nothing_can_leave(address):
    seen = play("loading", address)
    here, whole = re.fullmatch(r"([\d.]+) of ([\d.]+) MB", seen["loaded"]).groups()
    assert 0 <= float(here) <= float(whole) < 25
    assert seen["faults"] == [] and (seen["page"], seen["worker"], seen["noticed"] >= 1) == ("refused", "refused", True)


def test_the_gallery_shows_renderings_of_ours():
    assert len(gallery()) >= 4
    for picture in gallery():
        assert (PAGE / "gallery" / picture["file"]).read_bytes() == (PICTURES / picture["file"]).read_bytes(), (
            "say python tests/make_pictures.py"
        )


def test_the_command_serves_the_page_until_it_is_interrupted(folder):
    environment = os.environ | ENVIRONMENT | {"BROWSER": "echo opened %s", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [COMMAND, "live", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        opened = process.stdout.readline()
        with urllib.request.urlopen(address[0] + "reader.onnx", timeout=WATCHDOG) as answer:
            assert len(answer.read()) == (ROOT / "digitstudy" / "reader" / "reader.onnx").stat().st_size
        assert f"Port {address[1]} is taken" in sentence(digitstudy("live", "--no-browser", "--port", address[1]))
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WATCHDOG)
    assert (
        process.returncode == 0
        and opened == f"opened {address[0]}\n"
        and "The live page is closed." in out
        and err == ""
    )
