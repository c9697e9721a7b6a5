"""Hostile SVHN archives: whatever is changed in one, it is read or refused in a sentence, and soon."""

import gzip
import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ENVIRONMENT, WATCHDOG
from PIL import Image

from digitstudy.core.config import StudyError
from digitstudy.data.archives import read_archive, write_archive
from digitstudy.data.digitstruct import Unfamiliar, random_annotations, read_bulk, read_mat, write_mat
from digitstudy.data.svhn import cached, load_svhn

MUTATIONS = 300


def png(seed):
    """A noisy image."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (60, 100, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def mat(tmp_path_factory):
    """The bytes of a digitStruct.mat of twelve images."""
    return write_mat(random_annotations(12), tmp_path_factory.mktemp("mat") / "digitStruct.mat").read_bytes()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("DIGITSTUDY_DATA", str(tmp_path))
    monkeypatch.setenv("DIGITSTUDY_MIRRORS", "")
    return tmp_path


def mutated(content, seed):
    """`content` with a few bytes, a number or a stretch changed, or its end cut off."""
    rng = np.random.default_rng(seed)
    some = np.frombuffer(content, np.uint8).copy()
    at = int(rng.integers(len(some) - 64))
    way = seed % 5
    if way == 0:
        some[rng.integers(len(some), size=rng.integers(1, 40))] = rng.integers(256)
    if way == 1:
        some[at] ^= 1 << rng.integers(8)
    if way == 2:
        some[at // 8 * 8 :][:8] = np.frombuffer(
            np.int64(rng.choice([-1, 0, 1, 2**62, len(some), at])).tobytes(), np.uint8
        )
    if way == 3:
        some[at : at + 64] = rng.integers(256, size=64)
    if way == 4:
        some = some[: int(rng.integers(len(some)))]
    return some.tobytes()


def outcome(call, *errors):
    """What a call came to; any error but a `StudyError` is a failure of ours."""
    start = time.process_time()
    try:
        call()
    except errors as e:
        return type(e).__name__
    except StudyError as e:
        assert str(e).endswith(".") and "\n" not in str(e), e
        return "refused"
    finally:
        assert time.process_time() - start < WATCHDOG, "it hung"
    return "read"


def test_a_changed_mat_is_read_or_refused(mat, tmp_path):
    path, seen = tmp_path / "digitStruct.mat", []
    for seed in range(2 * MUTATIONS):
        path.write_bytes(mutated(mat, seed))
        seen.append(outcome(lambda: read_bulk(path), Unfamiliar))
    assert {"read", "refused", "Unfamiliar"} == set(seen)
    assert seen.count("Unfamiliar") < MUTATIONS / 2, "these are slow to read"


def test_a_mat_changed_where_it_matters_is_read_or_refused(mat, tmp_path):
    """Every byte of the first 1,500 that are not 0, and all of one group, in turn set to 255."""
    path, seen = tmp_path / "digitStruct.mat", []
    marks = [k for k in range(512, 2500) if mat[k]]
    for k in marks:
        path.write_bytes(mat[:k] + b"\xff" + mat[k + 1 :])
        seen.append(outcome(lambda: read_bulk(path), Unfamiliar))
    assert {"read", "refused"} <= set(seen)


def test_an_unfamiliar_mat_cannot_take_us_down(mat, tmp_path):
    path, tried = tmp_path / "digitStruct.mat", 0
    for seed in range(4 * MUTATIONS):
        path.write_bytes(mutated(mat, seed))
        if outcome(lambda: read_bulk(path), Unfamiliar) != "Unfamiliar":
            continue
        tried += 1
        try:
            read_mat(path, seconds=20)
        except StudyError as e:
            assert str(e).count("\n") == 0
        if tried == 2:
            return
    raise AssertionError("none was unfamiliar")


def test_a_time_limit_holds(mat, tmp_path):
    unfamiliar = tmp_path / "digitStruct.mat"
    unfamiliar.write_bytes(mat[:520] + b"\x02" + mat[521:])
    with pytest.raises(StudyError, match="gave up after 0 s"):
        read_mat(unfamiliar, seconds=0.05)


def test_a_changed_archive_is_read_or_refused(mat, tmp_path):
    members = [*((f"train/{k + 1}.png", png(k)) for k in range(3)), ("train/digitStruct.mat", mat[:4000])]
    packed = write_archive(members, tmp_path / "train.tar.gz").read_bytes()
    plain = gzip.decompress(packed)
    heads = [k for k in range(0, len(plain), 512) if plain[k + 257 : k + 262] == b"ustar"]
    path, seen = tmp_path / "bad.tar.gz", []

    def walk():
        for _, size, read in read_archive(path, []):
            assert len(read()) <= size

    for seed in range(MUTATIONS):
        if seed % 3 == 0:
            content = mutated(packed, seed)
        elif seed % 3 == 1:
            content = gzip.compress(mutated(plain, seed), 1)
        else:
            k = heads[seed % len(heads)]
            head = bytearray(mutated(plain[k : k + 512], seed)).ljust(512, b"\1")
            head[148:156] = b"%06o\0 " % (sum(head) - sum(head[148:156]) + 256)  # a wrong header with a right check sum
            content = gzip.compress(plain[:k] + bytes(head) + plain[k + 512 :], 1)
        path.write_bytes(content)
        seen.append(outcome(walk))
    assert {"read", "refused"} == set(seen)


def test_a_changed_archive_is_cached_or_refused(mat, home):
    members = [*((f"train/{k + 1}.png", png(k)) for k in range(12)), ("train/digitStruct.mat", mat)]
    seen = []
    for seed in range(40):
        some = dict(members)
        name = members[seed % 13][0]
        some[name] = mutated(some[name], seed)
        path = write_archive(some.items(), home / f"{seed}.tar.gz")
        try:
            seen.append(len(load_svhn("all", archive=path, progress=False)))
        except StudyError:
            seen.append("refused")
    assert 12 in seen and 11 in seen


def test_a_killed_caching_goes_on(mat, home):
    """Killed at any moment: what is there afterwards is never taken for whole, and the next run ends with the same
    arrays."""
    members = [
        *((f"train/{k + 1}.png", png(k)) for k in range(12)),
        *((f"train/{k + 100}.png", png(k % 5)) for k in range(1200)),
        ("train/digitStruct.mat", mat),
    ]
    path = write_archive(members, home / "train.tar.gz")
    code = "import sys; from digitstudy.data.svhn import cached; print('go', flush=True); "
    code += "cached(sys.argv[1], progress=False)"
    noted, before = (
        lambda: sum(len(j.read_text().splitlines()) for j in (home / "cache" / "svhn").glob("*.partial/journal.jsonl")),
        0,
    )
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=os.environ | ENVIRONMENT
        )
        process.stdout.readline()
        while process.poll() is None and noted() <= before:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert noted() > before and not list((home / "cache" / "svhn").glob("*/about.json")), (
            "killed too late for this test"
        )
        before = noted()
    place = cached(path, progress=False)
    images = np.load(place / "images.npy", mmap_mode="r")
    other = write_archive(members, home / "again.tar.gz")
    assert len(images) == 1212 and np.array_equal(
        images, np.load(cached(other, progress=False) / "images.npy", mmap_mode="r")
    )
    assert not list((home / "cache" / "svhn").glob("*.partial"))
