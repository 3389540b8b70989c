# Every target sets up what it needs in .venv, from the hash-locked files in requirements/, and
# does so once: see scripts/environment.py. All that is needed before is git, make and Python 3.11.

# Which Python .venv is made with. Named by hand (make PYTHON=python3.12 test), .venv is rebuilt
# if it is of another version; else any .venv that is there is taken.
EXACTLY := $(if $(filter undefined,$(origin PYTHON)),,--exactly)
PYTHON ?= python3
RECIPE ?= sp500-daily

BIN := .venv/bin
TRUECAST := $(BIN)/truecast
# Each file of tests stays in one process, so that what it prepares is prepared once. They begin in
# the order of tests/conftest.py: what takes longest first.
SPREAD := --numprocesses=auto --dist=loadfile --no-loadscope-reorder
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo setup prepare train register inference evaluate serve \
	test soak lint format bench lock clean base-environment test-environment

help: ## List what can be made
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo "RECIPE=name chooses the recipe (now $(RECIPE)), PYTHON=python3.12 the Python."

demo: base-environment ## Run sp500-daily from end to end, then replay 2018; needs no account or key
	$(TRUECAST) run sp500-daily
	$(TRUECAST) replay sp500-daily --from 2018-01-01 --to 2018-12-31
	@echo
	@echo "Report:  .truecast/reports/sp500-daily@sample/report.html"
	@echo "API:     make serve, then http://127.0.0.1:8000 (its pages: http://127.0.0.1:8000/docs)"
	@echo "MLflow:  .venv/bin/truecast mlflow, then http://127.0.0.1:5001"

setup: test-environment ## Create .venv with all that the other targets need

prepare: base-environment ## Fetch the data of RECIPE, and build its features and dataset
	$(TRUECAST) build $(RECIPE)

train: base-environment ## Fit and tune the models of RECIPE
	$(TRUECAST) train $(RECIPE)

register: base-environment ## Promote the best models of RECIPE to champions
	$(TRUECAST) promote $(RECIPE)

inference: base-environment ## Forecast the next bar of RECIPE
	$(TRUECAST) predict $(RECIPE)

evaluate: base-environment ## Compare the models of RECIPE with the naive forecast, walk-forward
	$(TRUECAST) evaluate $(RECIPE)

serve: base-environment ## Serve forecasts over HTTP
	$(TRUECAST) serve

test: test-environment ## Run all tests on all cores; ARGS="tests/unit -k lake" for some of them
	$(BIN)/python -m pytest $(SPREAD) $(ARGS)

soak: test-environment ## Run all tests with the long counts
	TRUECAST_SOAK=1 $(BIN)/python -m pytest $(SPREAD) $(ARGS)

lint: test-environment ## Check style, formatting, types and the layers
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: test-environment ## Format the code and repair what can be repaired
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: test-environment ## Measure against other libraries: BENCH=name
	@test -n "$(BENCH)" -a -f "benchmarks/$(BENCH).py" || { \
		echo "Say which: make bench BENCH=name. Names:" \
			"$(patsubst benchmarks/%.py,%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))" >&2; \
		exit 2; }
	$(BIN)/python benchmarks/$(BENCH).py

lock: ## Write the lock files anew (needs uv); ARGS=--upgrade for newer versions
	$(COMPILE) pyproject.toml --group dev $(ARGS) --output-file requirements/test.txt
	$(COMPILE) pyproject.toml --group build --constraint requirements/test.txt \
		--output-file requirements/base.txt

clean: ## Remove .venv and what tools have cached; never the data in .truecast
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

base-environment:
	@$(PYTHON) scripts/environment.py $(EXACTLY) base

test-environment:
	@$(PYTHON) scripts/environment.py $(EXACTLY) base test
