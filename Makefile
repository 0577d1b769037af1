# The commands of this repository. CI calls `make test` and nothing else.
# All that is needed is Python 3.11 or newer; `.venv` is made at the first use and whenever
# pyproject.toml has changed. PYTHON=... names the interpreter to make it with.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
CANDIDATES := $(PYTHON) python3.13 python3.12 python3.11 python3 python
PIP := -m pip --disable-pip-version-check --quiet
WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
# Tests start many processes, each of which would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install check fix lint types test demo bench bench-aggregates bench-checkpoints bench-flow bench-joins bench-latency docs services soak simulate coverage lowest wheel clean bench-lookups

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make .venv with everything that is needed

check: lint types  ## Format, lint, types, import contracts, fast tests: before every commit
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not service" $(ARGS)

fix: $(STAMP)  ## Format, and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lint: $(STAMP)  ## Format, lint, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP)  ## Strict types
	$(BIN)/mypy

test: lint types  ## Everything: all tests, and those of the kernels once more as plain Python
	PENSTOCK_JIT=0 $(BIN)/python -m pytest -n $(WORKERS) --quiet tests/unit/kernels
	$(BIN)/python -m tests.services --install $(if $(CI),--flink)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

demo: $(STAMP)  ## Real flights as a live stream, in the terminal; ARGS="--help" for its options
	$(BIN)/penstock demo $(ARGS)

bench: $(STAMP)  ## Penstock beside Polars and DuckDB on one input; ARGS="--help" for its options
	$(BIN)/python bench/compare.py $(ARGS)

bench-aggregates: $(STAMP)  ## Distinct counts and quantiles, exact and approximate, beside DuckDB; ARGS="--bids N"
	$(BIN)/python bench/aggregates.py $(ARGS)

bench-flow: $(STAMP)  ## penstock.flow beside aiostream, RxPY and asyncio queues; ARGS="--elements N"
	$(BIN)/python bench/flow.py $(ARGS)

soak: $(STAMP)  ## Kill a pipeline a thousand times; ARGS="--kind files|postgres|kafka --kills N --report FILE"
	$(BIN)/python -m tests.kill.soak $(ARGS)

bench-checkpoints: $(STAMP)  ## What checkpoints cost: bytes, pauses, recovery, exactly once; ARGS="--quick" for less
	$(BIN)/python bench/checkpoints.py $(ARGS)

bench-joins: $(STAMP)  ## Joins beside DuckDB at three sizes; ARGS="--help" for its options
	$(BIN)/python bench/joins.py $(ARGS)

bench-latency: $(STAMP)  ## What little things cost: a step of one row, an import, a second start
	$(BIN)/python bench/latency.py $(ARGS)

bench-lookups: $(STAMP)  ## Lookup joins with and without a cache; ARGS="--postgres URL" for PostgreSQL too
	$(BIN)/python bench/lookups.py $(ARGS)

docs: $(STAMP)  ## Run every block of README.md and docs/, and every example
	$(BIN)/python -m pytest -n $(WORKERS) tests/docs $(ARGS)

services: $(STAMP)  ## Kafka, PostgreSQL and S3 until Ctrl-C; ARGS="--install" only installs, "--flink" adds Flink
	@$(BIN)/python -m tests.services $(ARGS)

simulate: $(STAMP)  ## Seeds of the simulator; ARGS="--seeds 0..19999 --report FILE", or ARGS="--seed 7 --trace"
	$(BIN)/python -m penstock.testing.simulator $(ARGS)

coverage: $(STAMP)  ## Which lines and branches the tests reach (kernels as plain Python)
	$(BIN)/coverage erase
	PENSTOCK_JIT=0 $(BIN)/coverage run -m pytest -m "not slow" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lowest: $(STAMP)  ## The fast tests with the oldest versions that pyproject.toml allows, in .venv-lowest
	$(BIN)/python tools/lowest.py > $(VENV)/lowest.txt
	$(BIN)/python -m venv .venv-lowest
	.venv-lowest/bin/python $(PIP) install --constraint $(VENV)/lowest.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest -n $(WORKERS) -m "not slow" --ignore tests/test_architecture.py $(ARGS)

wheel: $(STAMP)  ## Build dist/*.whl
	$(BIN)/python $(PIP) wheel --no-deps --wheel-dir dist .

clean:  ## Remove everything that make and the tools have made
	rm -rf $(VENV) .venv-lowest dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
	find src tests bench examples tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMP): pyproject.toml
	@python=; \
	for name in $(CANDIDATES); do \
		if "$$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			python=$$name; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "error: no Python 3.11 or newer with its venv module was found (tried: $(strip $(CANDIDATES)))" >&2; \
		echo "hint: install one (Debian and Ubuntu: python3 and python3-venv), or make PYTHON=/path/to/python3 ..." >&2; \
		exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		echo "making $(VENV) with $$("$$python" --version)" >&2; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi; \
	echo "installing into $(VENV) what pyproject.toml asks for (a minute or two, once)" >&2; \
	$(BIN)/python $(PIP) install --editable '.[dev]'
	@touch $@
