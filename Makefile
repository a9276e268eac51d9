# What one types here. Needs a POSIX shell, GNU make, and Python 3.11 or newer with its venv module; installs into .venv.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet --quiet
UV ?= uv
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url $(UPGRADE)
ROUNDS ?= 10
OIDC = tests/providers/oidc/node_modules/.package-lock.json
# Tests that mostly wait, for leases and servers that come back: they run beside the others, and are heard after them.
WAITING = $(patsubst %,tests/fleet/test_%.py,crash_walk one_machine outages spent_once wrong_clocks)

.PHONY: help run test bench soak fuzz lock docs clean tools
.DEFAULT_GOAL := help

help:
	@echo 'make run    the proxy with a demo API behind it, from nothing'
	@echo 'make test   the whole gate: ruff, mypy, import contract, all tests'
	@echo 'make fuzz   the property tests, with many more examples'
	@echo 'make soak   the end-to-end tests and those of a whole fleet, ROUNDS=10 times'
	@echo 'make bench  side by side with nginx, HAProxy and Envoy; the stores, and many users, beside each other'
	@echo 'make docs   regenerate what is generated from the code'
	@echo 'make lock   resolve the dependencies again (UPGRADE=--upgrade takes newer ones); needs uv'
	@echo 'make clean  remove .venv and caches'

run: .venv/.run
	@config/quickstart.sh

test: .venv/.test tools $(OIDC)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@said=$$(mktemp); .venv/bin/pytest -p no:cacheprovider $(WAITING) >"$$said" 2>&1 & waiting=$$!; \
	.venv/bin/pytest $(addprefix --ignore=,$(WAITING)); rest=$$?; \
	wait $$waiting; waiting=$$?; cat "$$said"; rm -f "$$said"; exit $$((rest | waiting))

fuzz: .venv/.test
	.venv/bin/pytest --hypothesis-profile=fuzz tests/config tests/core tests/credentials tests/faults tests/gateway tests/net tests/tokens

soak: .venv/.test tools
	for round in $$(seq $(ROUNDS)); do echo "round $$round"; .venv/bin/pytest -q tests/life tests/e2e tests/fleet || exit 1; done

bench: .venv/.run
	@$(PIP) install --require-hashes -r requirements-bench.lock
	.venv/bin/python bench/run.py
	.venv/bin/python bench/fleet.py
	.venv/bin/python bench/users.py

docs: .venv/.run
	.venv/bin/countersign schema > config/countersign.schema.json
	.venv/bin/python -m docs.generate

lock:
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev --group deploy -c requirements.lock -o requirements-dev.lock
	$(LOCK) --group bench -o requirements-bench.lock
	python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' | \
		$(LOCK) - -o requirements-build.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis countersign.egg-info build
	rm -rf tests/providers/oidc/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo 'Countersign needs Python 3.11 or newer: apt-get install python3-venv, or brew install python'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get install -y -qq python3-venv >/dev/null; } || \
		{ echo 'Countersign needs the venv module of Python: sudo apt-get install python3-venv'; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.run: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/pip
	@echo 'Installing Countersign into .venv …'
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: .venv/.run requirements-dev.lock
	@echo 'Installing what the tests need into .venv …'
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# The programs that tests run for real, each with the package that brings it (the same name on Debian and Homebrew).
tools:
	@PATH="$$PATH:/usr/sbin:/opt/homebrew/bin"; missing=; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v nginx >/dev/null || missing="$$missing nginx"; \
	command -v promtool >/dev/null || missing="$$missing prometheus"; \
	command -v redis-server >/dev/null || missing="$$missing redis"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		missing="$$missing chromium"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	test "$$(uname)" != Linux || ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$$missing libfaketime"; \
	test -z "$$missing" && exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing$$missing …"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "make test needs$$missing: sudo apt-get install$$missing, or brew install$$missing"; exit 1; \
	fi

# What npm writes last: its record of all that it installed.
$(OIDC): tests/providers/oidc/package-lock.json
	@echo 'Installing the OpenID provider that tests run …'
	@npm ci --ignore-scripts --loglevel=error --prefix tests/providers/oidc >/dev/null
	@touch $@
