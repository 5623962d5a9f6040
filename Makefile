# `make demo` and `make test` need nothing but Python 3.11 or later and a package index: the first makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIP ?= $(shell $(BIN)/python -c "from streamer.cli import sample; print(sample())" 2>/dev/null)

.PHONY: demo test check bench clean

demo: $(STAMP)
	$(BIN)/streamer demo

test: check
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks.throughput $(CLIP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,demo,dev]'
	touch $@

clean:
	rm -rf $(VENV) out runs
