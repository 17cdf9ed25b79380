# Two commands for a newcomer: `make demo` (the main job, end to end) and `make test` (everything that must hold).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# DATA=folder runs the demo on your own clips: one folder per command.
DATA   ?=
OUT    ?= demo-out

.PHONY: help setup demo test check lint types contracts unit format proto docs clean

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP) ## set up the virtual environment (about half a minute)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## synthesise commands, fine-tune, evaluate, serve and stream them (DATA=folder: your own clips)
	@$(BIN)/speechtune demo --out $(OUT) $(if $(DATA),--data $(DATA))

test: check ## lint, format, types, import contracts and tests

check: lint types contracts unit ## the same, by its parts

lint: $(STAMP) ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy --strict on our packages
	$(BIN)/mypy

contracts: $(STAMP) ## who may import whom
	$(BIN)/lint-imports --no-cache

unit: $(STAMP) ## pytest
	$(BIN)/python -m pytest -n 2

format: $(STAMP) ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(STAMP) ## regenerate the gRPC stubs from proto/speechtune/v1
	$(BIN)/python -m data_scripts.generate_stubs

docs: $(STAMP) ## write the reference pages from the code, and build the documents as a site in site/
	$(BIN)/python -m data_scripts.generate_reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

clean: ## remove what the commands above made
	rm -rf $(VENV) $(OUT) site .mypy_cache .ruff_cache .pytest_cache .hypothesis
