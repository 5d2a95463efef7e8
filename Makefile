# What can be done in a clone. The README shows `make demo` and `make test`.
# Waymark's own commands are in .venv/bin/waymark once one of these has run.

PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.made-from
# Tests mostly wait for servers, so that more of them run than there are cores.
TEST_PROCESSES ?= 4
SHELL := /bin/bash

# What was kept goes to the pages, whatever came of the run; how it ended is passed on.
TO_THE_PAGES = ended=$$?; $(BIN)/python -m docs.generate && exit $$ended

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-full chaos soak drafted

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup:
	@wanted="$$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)"; \
	if [ "$$wanted" != "$$(cat $(STAMP) 2>/dev/null)" ]; then \
	  set -e; \
	  echo "setting up .venv (once, and when requirements.lock has changed)"; \
	  [ -x $(BIN)/python ] || $(PYTHON) -m venv .venv; \
	  [ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	  echo "$$wanted" > $(STAMP); \
	fi

demo: setup  ## the guided tour on real servers: events through Kafka and Temporal to delivered messages
	@$(BIN)/waymark demo

test: setup  ## every test, on real servers, which are got where they are not there
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal

check: setup  ## format, lint, types, import contracts, generated reference; changes nothing, needs no server
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@if [ -e docs/generate.py ]; then $(BIN)/python -m docs.generate --check; fi

bench: setup  ## the benchmarks on SQLite beside their floors, in some ten minutes; OPTIONS="--on postgresql", say
	@$(BIN)/python -m bench $(OPTIONS)

bench-full: setup  ## the same at full size on both databases, kept for docs/reference/figures.md
	@$(BIN)/python -m bench --full --save $(OPTIONS); $(TO_THE_PAGES)

# With OPTIONS, --quick say, nothing is kept.
chaos: setup  ## everything fails while 1,500 learners run, and what came of it is counted: SEED=1 ON=sqlite|postgresql|both
	@$(BIN)/python -m bench.chaos run poison --seed $(or $(SEED),1) --on $(or $(ON),both) --in-doubt both $(or $(OPTIONS),--save); $(TO_THE_PAGES)

soak: setup  ## half an hour of steady work on each database, and whether memory grows: ON=sqlite|postgresql|both
	@$(BIN)/python -m bench.chaos soak --on $(or $(ON),both) $(or $(OPTIONS),--save); $(TO_THE_PAGES)

drafted: setup  ## a test at full size: 1,200 texts drafted, checked and approved while 500 learners run, in some minutes
	@DRAFTED_AT_SCALE=full $(BIN)/python -m pytest -n 0 tests/workers/test_drafted_at_scale.py
