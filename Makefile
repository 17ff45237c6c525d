# Two commands for a fresh machine: `make demo` and `make test`. Everything else is listed by `make`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
CUSTOMERS ?= 20000
PYTEST := $(BIN)/python -m pytest
# Most tests wait for servers and processes: a few more workers than cores make the suite shorter.
WORKERS ?= 3
# A program that is started hundreds of times is compiled once, as pip would do it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup packages demo test coverage unit check static lint types contracts runbooks pythons bench bench-transfer bench-remote soak model lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv with everything that demo and test need (seconds when it is there)

.venv/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or newer) is missing"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "the venv module is missing: install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@echo "setting up .venv ..."
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup ## run a whole cutover against a small telecom company on this machine (FAULT=smoke shows the rollback)
	@$(BIN)/python orchestrate.py demo --customers $(CUSTOMERS) $(if $(FAULT),--fault $(FAULT))

packages: ## install the servers that the tests use (Debian; needs root or sudo)
	@tests/install-servers

test: setup packages static ## the whole test suite, on real servers
	@$(PYTEST) tests -q --numprocesses $(WORKERS) --dist worksteal
	@missing="$$(tests/install-servers --missing)"; \
	[ -z "$$missing" ] || echo "not installed:$$missing: tests that need them were skipped"

coverage: setup packages ## which lines the tests reach; 90 % at least (measuring nearly doubles their time)
	@rm -f .coverage .coverage.*
	@$(PYTEST) tests -q --numprocesses $(WORKERS) --dist worksteal --cov --cov-report=
	@$(BIN)/coverage report --skip-covered --fail-under=90

unit: setup ## the unit tests alone: fast, no servers
	@$(PYTEST) tests/unit -q --numprocesses 2

check: static unit ## lint, types, import contracts, shipped runbooks, unit tests

static: lint types contracts runbooks

lint: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: setup
	@$(BIN)/mypy

contracts: setup
	@$(BIN)/lint-imports --no-logo

runbooks: setup
	@$(BIN)/python orchestrate.py lint runbooks

pythons: setup ## the unit tests on every installed Python from 3.11 to 3.13
	@for version in 3.11 3.12 3.13; do \
	  found=$$($(BIN)/uv python find --no-python-downloads --system $$version 2>/dev/null) || { echo "Python $$version: not installed"; continue; }; \
	  echo "Python $$version:"; \
	  $(BIN)/uv venv --quiet --allow-existing --python "$$found" ".venv-$$version" && \
	  $(BIN)/uv pip sync --quiet --python ".venv-$$version/bin/python" --require-hashes requirements.lock && \
	  $(BIN)/uv pip install --quiet --python ".venv-$$version/bin/python" --no-deps --editable . && \
	  ".venv-$$version/bin/python" -m pytest tests/unit -q -p no:cacheprovider --numprocesses 2 || exit 1; \
	done

bench: setup ## performance side by side with peers, as JSON lines
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	@for bench in $(filter-out benchmarks/remote.py,$(wildcard benchmarks/*.py)); do $(BIN)/python "$$bench" || exit 1; done

bench-transfer: setup packages ## copies of one table, side by side with pgloader and COPY (ROWS="300000 1000000")
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	@test -x .venv-bench/bin/reladiff || { $(PYTHON) -m venv .venv-bench && .venv-bench/bin/pip install --quiet 'reladiff[mysql,postgresql]>=0.6'; }
	@$(BIN)/python benchmarks/transfer $(ROWS)
	@PATH="$$PATH:$(CURDIR)/.venv-bench/bin" $(BIN)/python benchmarks/reconcile.py $(ROWS)
	@$(BIN)/python benchmarks/after_load.py $(ROWS)

bench-remote: setup packages ## work on 200 hosts side by side with paramiko, ssh, Ansible and scp; channels under load (HOSTS="200 50 3")
	@test -x .venv-bench/bin/ansible || { $(PYTHON) -m venv .venv-bench && .venv-bench/bin/pip install --quiet 'ansible-core>=2.18'; }
	@ANSIBLE="$(CURDIR)/.venv-bench/bin/ansible" $(BIN)/python benchmarks/remote.py $(HOSTS)
	@CHANGEOVER_TOGGLES=20 $(PYTEST) tests/integration/steps/channels -q -s -k 'no_request_fails or no_call_fails'

soak: setup packages ## the long runs
	@CHANGEOVER_SOAK=1 $(PYTEST) tests/chaos tests/model tests/integration/remote -q

model: setup ## explore the model of the rules, and take every rule away (docs/model.md)
	@$(BIN)/python -m tests.model

lock: setup ## resolve the dependencies anew into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --all-extras --group dev \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements.lock

clean: ## remove what setup and runs made
	@if [ -x $(BIN)/python ] && [ -d .changeover ]; then $(BIN)/python orchestrate.py sandbox stop || true; fi
	@rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* .import_linter_cache
