"""Measure the live page and keep the record: `python tests/live/measure.py` writes reports/benchmarks/live/record.json.

The whole browser is held to one core, in which it also decodes the film that stands for the camera, and draws the
page without a GPU.
"""

import csv
import datetime
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import mean, median

import torch
from harness import PICTURES, film, missing, page, play, served

from digitstudy.app.webpage import ONNXRUNTIME_WEB
from digitstudy.core.config import study_home
from digitstudy.reader import CARD, read_card
from digitstudy.study.records import environment

PICTURE, SIZE, SECONDS = "paper-24.jpg", (640, 480), 30


def main():
    if why := missing() or ("" if shutil.which("taskset") else "there is no taskset: install util-linux"):
        sys.exit(f"The live page cannot be measured: {why}")
    with tempfile.TemporaryDirectory() as folder:
        moving = film(Path(folder) / "film.mjpeg", PICTURE, 240, 0, SIZE)
        with served(page(Path(folder) / "page")) as address:
            seen = play("measure", address, ("taskset", "-c", "0"), film=str(moving), seconds=SECONDS)
    labels = {row["file"]: row["digits"] for row in csv.DictReader((PICTURES / "labels.csv").open())}
    share, frames = seen["processor"] / seen["elapsed"], mean(seen["paces"]) * seen["elapsed"]
    record = {
        "what": "the live page before a camera: the browser on one core, without a GPU",
        "frames_per_second": {"median": median(seen["paces"]), "lowest": min(seen["paces"]), "seconds": SECONDS},
        "share_of_the_core": round(share, 3),  # the rest went to what else ran on the machine
        "processor_milliseconds_per_frame": round(
            1000 * seen["processor"] / frames, 1
        ),  # of all the browser's processes
        "right": sum(said == labels[PICTURE] for said in seen["said"]) / len(seen["said"]),
        "film": {"picture": f"tests/pictures/{PICTURE}", "size": SIZE, "frames_per_second": 30},
        "bytes_loaded": seen["bytes"],
        "browser": f"Chromium {seen['version']}, headless",
        "runtime": f"onnxruntime-web {ONNXRUNTIME_WEB}, one thread",
        "model": read_card(CARD)["sha256"],
        "load_average": os.getloadavg()[0],
        "environment": environment(torch.device("cpu"), 1, "float32"),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    target = study_home() / "reports" / "benchmarks" / "live" / "record.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{record['frames_per_second']} with {share:.0%} of a core, right in {record['right']:.0%}; kept in {target}")


if __name__ == "__main__":
    main()
