# The two commands of the README are `make serve` and `make test`.
PYTHON ?= python3
ROOT ?= static
LISTEN ?= 127.0.0.1:8080
BIN = .venv/bin
SOURCES = $(wildcard aio/*.c aio/*.h aio/_build.py) pyproject.toml setup.py

.PHONY: install serve test lint image loadtest lab bench clean

.venv/ready: $(SOURCES)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

install: .venv/ready

serve: install
	$(BIN)/headrace $(ROOT) --listen $(LISTEN)

test: install
	PYTHONDEVMODE=1 $(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

image:
	.ci/image.sh

.venv/load: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[load]'
	touch $@

loadtest: .venv/load
	$(BIN)/python -m loadtest.run

.venv/lab: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[lab]'
	touch $@

# As root. One scenario: make lab LAB=slow; all in five minutes: make lab LAB=--quick
lab: .venv/lab
	$(BIN)/python -m loadtest.lab $(LAB)

.venv/bench: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

# One workload: make bench BENCH=same; a few servers of all in five minutes: make bench BENCH=--quick
bench: .venv/bench
	$(BIN)/python -m loadtest.bench $(BENCH)

clean:
	rm -rf .venv build *.egg-info aio/_kernel.c aio/*.so aio/*.o
