"""What the live page's tests and its measurement share: the page as files, a film for the camera, and a browser to play
a scenario in."""

import io
import json
import math
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from digitstudy.app.webpage import open_server, runtime, write_page
from digitstudy.core.config import StudyError

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def missing() -> str:
    """Why a browser cannot be driven here; "" if it can."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"there is no {tool}: install Node.js"
    if not browser():
        return f"there is none of {', '.join(BROWSERS)}: install Debian's package chromium, or Chrome"
    try:
        runtime()
    except StudyError as problem:
        return str(problem)
    if not (HERE / "node_modules" / "playwright-core").is_dir():
        made = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=HERE, capture_output=True, text=True
        )
        if made.returncode:
            return f"npm ci failed in {HERE}: {made.stderr.strip()[:200]}"
    return ""


def browser() -> str | None:
    """Where the browser is."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def served(folder: Path):
    """The address of a folder, for as long as it lasts."""
    with open_server(folder, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def page(folder: Path) -> Path:
    """The live page as files, whole."""
    write_page(folder, runtime())
    (folder / "package.json").write_text('{"type": "module"}')  # for node
    return folder


def film(path: Path, picture: str, moving: int, empty: int, size=(640, 480)) -> Path:
    """A film of a picture that goes round over grey for `moving` frames and is away for `empty`, as Chromium takes it
    for a camera."""
    patch = Image.open(PICTURES / picture).convert("RGB")
    middle = [(whole - part) / 2 for whole, part in zip(size, patch.size, strict=True)]
    with open(path, "wb") as out:
        for k in range(moving + empty):
            frame, turn = Image.new("RGB", size, (150, 146, 140)), 2 * math.pi * k / moving
            if k < moving:
                frame.paste(
                    patch,
                    (round(middle[0] * (1 + 0.8 * math.sin(turn))), round(middle[1] * (1 + 0.8 * math.cos(turn)))),
                )
            with io.BytesIO() as data:
                frame.save(data, "JPEG", quality=90)
                out.write(data.getvalue())
    return path


def play(scenario: str, address: str, prefix=(), timeout=3600, **told) -> dict:
    """What a browser saw of a scenario of scenarios.mjs at the page."""
    command = [
        *prefix,
        "node",
        str(HERE / "scenarios.mjs"),
        scenario,
        json.dumps(told | {"address": address, "browser": browser()}),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
