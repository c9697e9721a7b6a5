#!/usr/bin/env bash
# What must be true of the checkout before it is committed: the package is exported, notebooks are clean, style and README are right,
# and nothing that is shown is stale.
set -eu
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r nbs digitstudy pyproject.toml README.md "$copy"

(cd "$copy" && nbdev-export)
diff -r -x __pycache__ digitstudy "$copy/digitstudy" || { echo "digitstudy/ is not what nbs/ exports: run nbdev-export and commit."; exit 1; }

(cd "$copy" && nbdev-clean)
diff -r nbs "$copy/nbs" > "$copy/diff" || { head -40 "$copy/diff"; echo "Notebooks are not clean: run nbdev-clean and commit."; exit 1; }

ruff check nbs tests site workflow
ruff format --check --quiet nbs tests site || { echo "Style: run ruff format nbs tests site."; exit 1; }
python tests/readme.py --check
digitstudy stale
echo "The checkout is clean."
