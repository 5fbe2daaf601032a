# The only commands a newcomer needs. Everything lives in this folder: the virtual environment in .venv, the embedded
# database in .mixhouse, made playlists in data.

# The first of these that Mixhouse runs on.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(if $(shell $(name) -c \
	"import sys; print((3, 11) <= sys.version_info < (3, 14) or '')" 2>/dev/null),$(name))))
VENV := .venv
BIN := $(VENV)/bin
SYNTHETIC := data/synthetic
PLAYLISTS ?= 10000
SEED ?= 1
# A zip, a folder or slices of the Million Playlist Dataset; made playlists when it is not given.
export MPD ?=

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint install lock bench bench-synthetic bench-load bench-build bench-ml bench-web

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

install: $(VENV)/installed ## make the virtual environment from requirements.lock

$(VENV)/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" \
		|| { echo "Mixhouse needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=/path/to/python3.13 ..." >&2; exit 2; }
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## JSON to recommendations; with MPD=/path/to/zip-or-folder on your own copy
ifeq ($(strip $(MPD)),)
	@$(BIN)/mixhouse synth $(SYNTHETIC) --playlists $(PLAYLISTS) --seed $(SEED)
	@$(run-and-show) $(SYNTHETIC)
else
	@if [ -e "$$MPD" ]; then $(run-and-show) "$$MPD"; else $(run-and-show) $$MPD; fi
endif

# Exit code 1 says that some input was refused; what was not deserves to be shown.
run-and-show = show() { $(BIN)/mixhouse run "$$@" || [ $$? -eq 1 ] && $(BIN)/mixhouse docs && $(BIN)/mixhouse status; }; show

serve: install ## the web application and the API, at http://127.0.0.1:8000; Ctrl-C ends it
	@$(BIN)/mixhouse serve

# The longest first, so that both processes end together.
test: lint ## every check and every test
	@$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder --durations 40 tests/integration tests/web \
		tests/loaders tests/python_ml tests/warehouse tests/mixhouse tests/project

lint: install ## the checks that need no database
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 models tests/dbt macros web/queries warehouse/schema.sql warehouse/roles.sql
	@mkdir -p .mixhouse/lint && cp profiles.example.yml .mixhouse/lint/profiles.yml
	$(BIN)/dbt --quiet --warn-error parse --no-partial-parse --show-all-deprecations \
		--profiles-dir .mixhouse/lint --target-path .mixhouse/lint/target --log-path .mixhouse/lint/logs

bench: bench-synthetic bench-load bench-build bench-ml bench-web ## measure everything; results go to benchmarks/results

bench-synthetic: install ## measure the generator
	$(BIN)/python benchmarks/synthetic.py

bench-load: $(VENV)/bench-installed ## measure the loader beside orjson and DuckDB
	$(BIN)/python benchmarks/load.py

bench-build: install ## measure the build beside DuckDB, an added slice, look-ups and readers
	$(BIN)/python benchmarks/build.py

bench-ml: install ## measure training, scoring and publishing at 100,000 and 1,000,000 playlists
	$(BIN)/python benchmarks/ml.py

bench-web: install ## measure the web application: answers, many clients, pages in chromium, queries
	$(BIN)/python benchmarks/application.py

$(VENV)/bench-installed: $(VENV)/installed benchmarks/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r benchmarks/requirements.lock
	@touch $@

lock: ## pin every dependency with its hashes (needs uv)
	$(pin) --extra dev --output-file requirements.lock pyproject.toml
	$(pin) --output-file benchmarks/requirements.lock benchmarks/requirements.in

pin = uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate
