"""Make tests/pictures: renderings that hold the reader to its accuracy, from digits and fonts that it was never
trained on.

Run by hand, `python tests/make_pictures.py`, when a recipe changes; tests use what is committed.
"""

import csv
import shutil
from pathlib import Path

import torch
from PIL import Image

from digitstudy.app.webpage import PAGE
from digitstudy.core.boxes import FRAME, rescale
from digitstudy.core.dataset import NO_DIGIT
from digitstudy.data.mnist import load_digits
from digitstudy.data.sequences import Sequences, SequenceSpec
from digitstudy.synth.fonts import load_glyphs
from digitstudy.synth.handwriting import HandwrittenNumbers, PaperSpec
from digitstudy.synth.house_numbers import HouseSpec, RenderedNumbers

FOLDER, EACH, SEED = Path(__file__).with_name("pictures"), 60, 2026


def main():
    digits = load_digits("test", "mnist")
    kinds = {
        "canvas": Sequences(digits, SequenceSpec(min_digits=1), EACH, SEED),
        "paper": HandwrittenNumbers(digits, PaperSpec(240, 320), EACH, SEED),
        "house": RenderedNumbers(load_glyphs("test"), HouseSpec(letterbox=True), EACH, SEED),
    }
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / "labels.csv", "w", newline="") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["file", "digits", "left", "top", "width", "height"])
        for kind, data in kinds.items():
            images, numbers, boxes = data.batch(torch.arange(EACH))
            for k, (image, number, box) in enumerate(zip(images, numbers, boxes, strict=True)):
                name = f"{kind}-{k:02}." + ("png" if kind == "canvas" else "jpg")
                picture = Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy())
                picture.save(FOLDER / name, **({} if kind == "canvas" else {"quality": 90}))
                cx, cy, w, h = rescale(box, FRAME, image.shape[1:]).tolist()
                place = [round(x, 2) for x in (cx - w / 2, cy - h / 2, w, h)]
                table.writerow([name, "".join(str(d) for d in number.tolist() if d != NO_DIGIT), *place])
    for shown in (PAGE / "gallery").iterdir():  # the live page's own copies
        shutil.copyfile(FOLDER / shown.name, shown)


if __name__ == "__main__":
    main()
