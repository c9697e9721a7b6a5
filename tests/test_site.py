"""The site: built from the checkout, opened in a real browser; and what its builder refuses."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT, WATCHDOG
from live.harness import HERE, browser, missing, served

sys.path.insert(0, str(ROOT / "site"))
from build import state  # noqa: E402
from check import Built  # noqa: E402
from content import Missing, Site  # noqa: E402

PAGES = (
    "index",
    "story",
    "reports",
    "method",
    "reference",
    "howto/images",
    "report/laptop",
    "study/weighted_loss",
    "study/reader",
    "modules/training/metrics",
)


def build(*words):
    """What `make site` says."""
    done = subprocess.run(
        [sys.executable, ROOT / "site/build.py", *words], cwd=ROOT, capture_output=True, text=True, timeout=WATCHDOG
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def html():
    """The built site; its links, pictures' words and requests are checked by the build itself."""
    build()
    return ROOT / "site/_build/html"


@pytest.mark.slow
def test_pages_in_a_browser(html):
    if why := missing():
        pytest.skip(f"The site is not looked at in a browser: {why}")
    with served(html) as address:
        told = {
            "address": address,
            "browser": browser(),
            "pages": [f"{page}.html" for page in PAGES],
            "words": "attention",
        }
        done = subprocess.run(
            ["node", HERE / "site.mjs", json.dumps(told)], capture_output=True, text=True, timeout=WATCHDOG
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == []


@pytest.mark.slow
def test_the_story_tells_every_experiment_and_leads_to_it(html):
    told = (html / "story.html").read_text()
    for notebook in sorted((ROOT / "nbs/experiments").rglob("*.ipynb")):
        name = notebook.stem[3:]
        for what in (f'id="story-{name.replace("_", "-")}"', f'href="study/{name}.html"', f"/{notebook.name}"):
            assert what in told, f"{what} is not in the story"


def test_what_has_not_changed_is_not_built_again(tmp_path):
    html = tmp_path / "_build/html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("as it was")
    (tmp_path / "_build/made_from.txt").write_text(state(ROOT))
    assert "nothing has changed" in build("--out", tmp_path) and (html / "index.html").read_text() == "as it was"


def test_a_changed_file_is_a_change_and_a_new_date_is_none(tmp_path):
    (tmp_path / "nbs").mkdir()
    (notebook := tmp_path / "nbs/index.ipynb").write_text("1")
    before = state(tmp_path)
    os.utime(notebook, (0, 0))
    assert state(tmp_path) == before
    notebook.write_text("2")
    assert state(tmp_path) != before


def test_a_page_cannot_say_what_the_records_contradict(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    site = Site(ROOT)
    page = tmp_path / "page.md"
    for text, says in (
        ('{{ finding("joint_mse", value("joint_mse@constant") > 0.5) }}', "but its records no longer do"),
        ('{{ ours("joint_mse@constant", "beauty") }}', "which no committed record has"),
        ('{{ published("attention") }}', "which was not published"),
        ("{{ undefined }}", "'undefined' is undefined"),
    ):
        page.write_text(text)
        with pytest.raises(Missing, match=says):
            site.filled(page)
    page.write_text('{{ ours("joint_mse@constant") }}')
    assert site.filled(page).startswith("0.000")


def test_faults_of_a_built_page_are_found(tmp_path):
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    good = (
        '<a href="b.html#here"></a><a href="https://example.org/"></a><img src="b.html" alt="words">'
        '<link rel="canonical" href="https://example.org/">'
    )
    (tmp_path / "a.html").write_text(good)
    assert Built(tmp_path).faults() == []
    for bad, says in (
        ('<a href="c.html"></a>', "links to c.html"),
        ('<a href="b.html#there"></a>', "links to b.html#there"),
        ('<a href="../outside.html"></a>', "links to ../outside.html"),
        ('<script src="//example.org/x.js"></script>', "would fetch //example.org/x.js"),
        ('<img src="b.html" alt=" ">', "without words"),
        ('<div role="img"></div>', "without words"),
    ):
        (tmp_path / "a.html").write_text(good + bad)
        faults = Built(tmp_path).faults()
        assert len(faults) == 1 and says in faults[0], (bad, faults)
