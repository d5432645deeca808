# Python 3.11 or newer is all that must be there; everything else comes into .venv and .cache.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
            $(shell $(name) -c 'import sys; print("$(name)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe \
           --strip-extras --no-header --no-emit-index-url --no-emit-options --no-emit-find-links \
           --no-emit-trusted-host --annotation-style=line
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv venv-dev demo test e2e e2e-push e2e-parity e2e-deployment bench bench-nab bench-judgement bench-rca lint format tools lock clean

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23

venv: .venv/runtime.stamp ## create .venv with anomalyd in it

demo: venv ## run the demo: a small system, its test run, and the verdict on it (ARGS=...)
	@$(BIN)/anomalyd demo $(ARGS)

test: lint tools ## lint, type-check and run every test
	@# Hundreds of processes are started: what one has compiled the next need not.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

e2e: venv-dev tools ## judge real runs beside real servers, end to end (seventeen minutes)
	$(BIN)/python -m pytest -q -m e2e tests/e2e tests/demo $(ARGS)

e2e-parity: venv-dev tools ## find seeded differences between real servers and files (SEEDS=n DRIFT=facts.yaml)
	@SEEDS='$(SEEDS)' DRIFT='$(DRIFT)' $(BIN)/python -m pytest -q -s -m e2e tests/e2e_parity $(ARGS)

e2e-deployment: venv-dev tools ## real services restart, die, run another version while they are tested (four minutes)
	$(BIN)/python -m pytest -q -s -m e2e tests/e2e_deployment $(ARGS)

e2e-push: venv-dev tools ## twenty faults that a real Prometheus pushes, both killed meanwhile; locust's phases (SEED=n, eight minutes)
	$(BIN)/python -m pytest -q -s -m e2e tests/e2e/test_push.py tests/e2e/test_locust.py $(ARGS)

bench: venv-dev tools ## measure against the peers, write bench/results.json
	$(BIN)/python -m bench $(ARGS)

bench-nab: venv-dev ## score labelled streams (DATA=folder THRESHOLD=x ABLATION=1)
	@$(BIN)/python -m bench.nab

bench-judgement: venv-dev ## score judges on simulated test runs whose truth is known (QUICK=1 SEED=n JUDGES=name ABLATION=1)
	@$(BIN)/python -m bench.judgement

bench-rca: venv-dev ## score the ranking of suspects on labelled incidents (DATA=folder QUICK=1)
	@$(BIN)/python -m bench.rca

lint: venv-dev ## ruff and mypy
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

format: venv-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

tools: venv-dev ## fetch what the tests run against: Prometheus, Alertmanager
	@$(BIN)/python tests/fetch_tools.py

lock: venv-dev ## renew the pinned requirements from pyproject.toml (ARGS=--upgrade)
	$(COMPILE) $(ARGS) -o requirements/build.txt requirements/build.in
	$(COMPILE) $(ARGS) -c requirements/build.txt -o requirements/runtime.txt pyproject.toml
	$(COMPILE) $(ARGS) -c requirements/build.txt -c requirements/runtime.txt --extra dev --extra bench \
	  -o requirements/dev.txt pyproject.toml

clean: ## remove what make and the tests made
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find anomalyd bench tests -name __pycache__ -type d -prune -exec rm -rf {} +

venv-dev: .venv/dev.stamp

.venv/created.stamp:
	@test -n '$(PYTHON)' || { echo 'anomalyd needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime.stamp: .venv/created.stamp pyproject.toml requirements/build.txt requirements/runtime.txt
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/dev.txt
	@touch $@
