# The only commands a newcomer needs. Everything lives in this folder: the virtual environment in .venv, the embedded
# database in .mixhouse, made playlists in data.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SYNTHETIC := data/synthetic
PLAYLISTS ?= 10000
SEED ?= 1
# A zip, a folder or slices of the Million Playlist Dataset; made playlists when it is not given.
MPD ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint install lock bench

help: ## list the commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(VENV)/installed ## make the virtual environment from requirements.lock

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Mixhouse needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3 ..." >&2; exit 2; }
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## JSON to recommendations; with MPD=/path/to/zip-or-folder on your own copy
ifeq ($(strip $(MPD)),)
	@$(BIN)/mixhouse synth $(SYNTHETIC) --playlists $(PLAYLISTS) --seed $(SEED)
	@$(BIN)/mixhouse run $(SYNTHETIC)
else
	@$(BIN)/mixhouse run "$(MPD)"
endif
	@$(BIN)/mixhouse report
	@$(BIN)/mixhouse status

test: lint ## every check and every test
	@$(BIN)/pytest tests/project tests/warehouse tests/loaders tests/python_ml tests/mixhouse tests/integration

lint: install ## the checks that need no database
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 models tests/dbt macros warehouse/schema.sql
	@mkdir -p .mixhouse/lint && cp profiles.example.yml .mixhouse/lint/profiles.yml
	$(BIN)/dbt --quiet --warn-error parse --no-partial-parse --show-all-deprecations \
		--profiles-dir .mixhouse/lint --target-path .mixhouse/lint/target --log-path .mixhouse/lint/logs

bench: install ## measure the generator; results go to benchmarks/results
	$(BIN)/python benchmarks/synthetic.py

lock: ## pin every dependency with its hashes (needs uv)
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --extra dev \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file requirements.lock pyproject.toml
