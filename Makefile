# The front door. Each target needs .venv, made from the pinned requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.runtime-installed
DEV_STAMP := $(VENV)/.dev-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: install demo test lint check bench screenshots format clean

$(STAMP): requirements.lock pyproject.toml
	@echo "Building the environment in $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@PYTHONWARNINGS=ignore $(PIP_INSTALL) setuptools
	@PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "Adding the test tools ..."
	@PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

install: $(STAMP)  ## the treadle command, in .venv/bin

demo: $(STAMP)  ## the local workspace and the bot; with ASK="…" one problem, then the thread is printed
	@TREADLE_DEMO_ASK="$$ASK" $(BIN)/python -m bot demo

test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q $(TESTS)

lint: $(DEV_STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test

bench: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks $(BENCH)

screenshots: $(DEV_STAMP)  ## docs/images, with the installed Chromium
	@$(BIN)/python -m tools.screenshots

format: $(DEV_STAMP)
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
