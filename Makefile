# The two commands of the README are `make serve` and `make test`.
PYTHON ?= python3
ROOT ?= static
LISTEN ?= 127.0.0.1:8080
BIN = .venv/bin
# What is translated to C: where one of these is newer, all are translated again.
SOURCES = $(wildcard aio/*.c aio/*.h aio/*.py aio/*.pyi server/*.py server/*/*.py) pyproject.toml setup.py

.PHONY: install plain serve test lint image loadtest lab bench clean

.venv/ready: $(SOURCES)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	touch $@

install: .venv/ready

# What is installed to be edited then runs as it is written, without a minute of waiting, until the next `make`.
plain: install
	rm -f *.so server/*.so server/*/*.so $(filter-out %.abi3.so,$(wildcard aio/*.so))
	touch .venv/ready

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

loadtest: install
	$(BIN)/python -m loadtest.run

# As root. One scenario: make lab LAB=slow; all in five minutes: make lab LAB=--quick
lab: install
	$(BIN)/python -m loadtest.lab $(LAB)

# One workload: make bench BENCH=same; a few servers of all in five minutes: make bench BENCH=--quick
bench: install
	$(BIN)/python -m loadtest.bench $(BENCH)

clean:
	rm -rf .venv build *.egg-info aio/_kernel.c aio/*.o *.so aio/*.so server/*.so server/*/*.so
