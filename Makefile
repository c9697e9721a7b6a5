# make study | test | test-all | lab | report | site | check | clean     (PROFILE=smoke|laptop|hour|full, SEEDS=0,1,2, CORES=n, MINUTES=n, REPORTS=folder)
PYTHON  ?= python3
PROFILE ?= smoke
SEEDS   ?= 0
VENV    ?= .venv
BIN     := $(VENV)/bin
OPTIONS  = --profile $(PROFILE) $(if $(REPORTS),--output $(REPORTS))
# uv does not read pip's configuration: pass on the folders of wheels that pip has been told of.
WHEELS   = $$($(BIN)/python -m pip config get global.find-links 2>/dev/null)
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup study report test test-all lab site check notebooks readme clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready  ## a virtual environment with the tested versions

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "digitstudy needs Python 3.11 to 3.13, not " + sys.version.split()[0] + ": say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	UV_FIND_LINKS="$(WHEELS)" $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[lab,cluster,export,site,fonts,dev]'
	touch $@

study: setup  ## run every experiment that has no current record, seconds each, then the report (PROFILE=laptop: the evidence)
	digitstudy study $(OPTIONS) --seeds $(SEEDS) $(if $(CORES),--cores $(CORES)) $(if $(MINUTES),--minutes $(MINUTES))

report: setup  ## the report from the records there are; nothing is trained
	digitstudy report $(OPTIONS)

test: setup  ## the tests, two at a time: every notebook, the command line, bad input, a study of a few experiments
	pytest -n 2 -m "not slow" --durations 20

test-all: setup  ## what is slow by nature: the whole smoke study, a cluster, browsers, many kills
	pytest -n 2 -m slow

check: setup  ## the package is what the notebooks export, notebooks are clean, README and style are right
	bash tests/check.sh

lab: setup  ## JupyterLab on the notebooks
	jupyter lab nbs

site: setup  ## the docs site, from stored outputs
	python site/build.py

notebooks: setup  ## run the module notebooks and store their outputs, for the site
	nbdev-export
	DIGITSTUDY_THREADS=1 nbdev-test --save --n-workers 2 --skip-folder-re '^(experiments|benchmarks|_proc)$$' --skip-file-re '^report' nbs
	nbdev-clean
	$(MAKE) readme

readme: setup  ## README.md from nbs/index.ipynb
	python tests/readme.py

clean:  ## what can be made again, but not data, records or the virtual environment
	rm -rf site/_build site/_pages nbs/_proc _proc reports/*/.running reports/*/logs reports/smoke
