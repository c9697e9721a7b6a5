"""Runs notebooks, each in a fork of this process, which has loaded torch and fastai: a path a line comes in, a line of
JSON goes out."""

import json
import multiprocessing
import os
import sys
import time
import traceback
from pathlib import Path

import torch
from conftest import WATCHDOG

from digitstudy.study.kernels import preload


def run(path, out, log):
    """Execute the notebook as `nbdev-test` does: whether it passed goes into `out`, what it prints into `log`."""
    from nbdev.test import test_nb

    with open(log, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(path.parent)
    # fastai, which not every notebook loads, has tensors equal tensors alone
    torch.Tensor.__array_eq__ = lambda a, b: torch.equal(a, torch.as_tensor(b, dtype=a.dtype, device=a.device))
    try:
        well, _ = test_nb(path, cell_timeout=WATCHDOG)
    except BaseException:
        traceback.print_exc()
        well = False
    sys.stdout.flush()
    out.send(bool(well))


def main():
    """Answer each path with whether its notebook passed, what it said, and how long it took."""
    preload(int(os.environ.get("DIGITSTUDY_THREADS", 1)))
    import nbdev.test  # noqa: F401  once for all

    context, folder = multiprocessing.get_context("fork"), Path(sys.argv[1])
    for line in sys.stdin:
        path = Path(line.strip())
        log, began = folder / f"{path.parent.name}-{path.stem}.log", time.monotonic()
        into, out = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(path, out, log))
        process.start()
        out.close()
        try:
            well = into.recv()
        except EOFError:
            well = False  # it died
        process.join()
        print(json.dumps({"well": well, "log": str(log), "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
