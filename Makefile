# make study   install, then a first study on embedded data: table, figure, CSV (about 2 minutes on 2 cores)
# make report  the report of ./results, into ./report
# make test    everything: lint, types, tests
# make test-cluster  of the tests those of clusters: machines in namespaces, killed, cut off, brought up again (root)
# make chaos   break real runs hundreds of times, files fifty thousand times, and say what held (1.5 hours);
#              CHAOS='--seed 1' draws other faults, '--faults 108 --rounds 1' fewer, '--study language_model' breaks another
# make docs    the documentation as a site, into build/docs
# make notebook  docs/notebook.ipynb anew, with its outputs
# make bench   study side by side with Ray Tune, Optuna and a plain script, into build/bench; BENCH=--quick for a
#              first look; then the whole report, the speed of a step, the cost of a study besides it, of loading
# make screenshots  the pictures of the pages in docs/images, with Chromium
# make lock    clusters/requirements.txt anew, with what constraints.txt pins and the digests that the registry has

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --retries 10 --timeout 120 --constraint constraints.txt
# uv takes seconds where pip takes minutes. Of pip's settings it is told the index; where it fails all the same, pip does it.
INDEX = $$($(BIN)/python -m pip config list | sed -n "s/^[^=]*[.]index-url='\(.*\)'$$/\1/p" | tail -n 1)
install = $(PIP) uv && UV_DEFAULT_INDEX="$(INDEX)" UV_HTTP_TIMEOUT=120 UV_HTTP_RETRIES=10 $(BIN)/uv pip install --quiet \
	--python $(BIN)/python --constraint constraints.txt --editable $(1) || $(PIP) --editable $(1)

# Three files of tests at a time, on two cores: most of them wait; the longest, chaos and cluster, are the first in order.
AT_ONCE := --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: study report test test-cluster lint docs notebook screenshots bench chaos lock clean

study: .venv/.installed
	$(BIN)/study tune network_width --dataset digits --epochs 5 --set batch_size=32 --seeds 3

report: .venv/.installed
	$(BIN)/study report --storage results --out report

test: .venv/.installed-test lint
	$(BIN)/python -m pytest --quiet $(AT_ONCE)

test-cluster: .venv/.installed-test
	$(BIN)/python -m pytest --quiet -m cluster

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.installed-docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/docs

notebook: .venv/.installed-test
	$(BIN)/python tests/run_notebook.py docs/notebook.ipynb

bench: .venv/.installed-bench
	$(BIN)/python benchmarks/compare.py $(BENCH)
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/load.py

chaos: .venv/.installed-test
	$(BIN)/python tests/chaos --jobs 2 $(CHAOS)

screenshots: .venv/.installed-test
	$(BIN)/python docs/screenshots.py

# --universal: for every Python from 3.11 and every processor, not only for those of this machine.
lock: .venv/.installed-lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--only-binary :all: --emit-build-options --custom-compile-command 'make lock' \
		--constraint constraints.txt --extra cluster --output-file clusters/requirements.txt \
		pyproject.toml clusters/requirements.in

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "study needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(call install,.)
	touch $@

.venv/.installed-test: .venv/.installed
	$(call install,'.[test]')
	touch $@

.venv/.installed-bench: .venv/.installed
	$(call install,'.[bench]')
	touch $@

.venv/.installed-docs: .venv/.installed
	$(call install,'.[docs]')
	touch $@

.venv/.installed-lock: .venv/.installed
	$(call install,'.[lock]')
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
