# Everything a person types. `make` alone lists it. Nothing is needed but make and Python 3.11 or newer.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough; PYTHON=/path/to/python3.11 names another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for name in python3.11 python3.12 python3.13 python3; do $$name -c '$(NEW_ENOUGH)' 2>/dev/null && { command -v $$name; break; }; done)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
ARGS ?=
ONLY ?=
# More than a small machine has processors: outside whole pipelines a worker waits for servers half of its time.
WORKERS ?= 4
# Set to nothing: a stage that has to compile all that it imports takes three times the CPU seconds to start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test lint bench vault fuzz chaos generate lock venv clean

help: ## list what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: venv ## start everything and show it; ARGS='--plain --duration 60' are passed on
	@$(BIN)/tidewire up $(ARGS)

venv: $(STAMP) ## make .venv with exactly what requirements.lock pins

$(STAMP): requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed, and here is $$(python3 --version 2>/dev/null || echo none):" \
		"install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is $$("$(PYTHON)" --version), and 3.11 or newer is needed" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) comes without venv: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(PYTHON)" --version): once, about a minute"
	@$(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || echo "uv can't be had: pip does it, slower" >&2
	@{ VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --require-hashes -r requirements.lock && \
		VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps -e . ; } || \
	{ $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . ; }
	@touch $(STAMP)

lock: venv ## renew requirements.lock from pyproject.toml
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --generate-hashes --no-strip-extras --universal --python-version 3.11 --no-annotate --no-header \
		--group dev pyproject.toml -o requirements.lock
	@! grep -nE '[a-z]+://' requirements.lock || { echo "requirements.lock must name no address" >&2; exit 1; }

lint: venv ## rules, form, types, imports between rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: venv ## everything but the long runs, with coverage, WORKERS=4 at once; ARGS='tests/dialects -x' for some of it
	@$(if $(ARGS),true,$(MAKE) --no-print-directory vault || echo "NOT TESTED: what needs a real Vault (see above)" >&2)
	$(BIN)/pytest $(or $(ARGS),--numprocesses $(WORKERS) --no-loadscope-reorder --cov --cov-report=term)

vault: venv ## build a Vault for the tests, once, where neither one nor Docker is there
	@[ -n "$${VAULT_ADDR:-}" ] || command -v vault >/dev/null || command -v bao >/dev/null || docker info >/dev/null 2>&1 || \
		$(BIN)/python -m local.vault_build

fuzz: venv ## every property on ten times its examples, of which `make test` draws a quarter; ARGS='tests/dialects' for some of them
	TIDEWIRE_TEST_EXAMPLES=10 $(BIN)/pytest -m hypothesis --timeout 3600 $(ARGS)

chaos: venv ## long runs of everything broken under load, and of hostile messages; ARGS='-k stopped' for some of them
	$(BIN)/pytest -m chaos -s $(ARGS)

bench: venv ## measure; ONLY=name for one
	$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

generate: venv ## write what follows from schemas, dialects and stages: schemas/events.py, schemas/history, parts of README.md and of the compose files
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m console.generated

clean: ## take away what was made here; the data of runs stays (`tidewire up --fresh` clears it)
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* coverage.xml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
