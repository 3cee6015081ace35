# pmm-tui: `make run` starts the console on the demo tape, `make test` proves the whole. Everything is installed into .venv, nowhere else,
# and every package is pinned by hash. Paths are relative on purpose: the checkout may stand anywhere, also below a name with a space.

PYTHONS = python3.13 python3.12 python3.11 python3.14 python3 python
PROFILE = demo
WORKERS = 2
ANVIL   = @foundry-rs/anvil@1.7.1
ARGS    =

PY      = .venv/bin/python
PIP     = $(PY) -m pip --disable-pip-version-check -qq
COMPILE = $(PY) -m uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
          --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
OLDER   = import sys; sys.exit(sys.version_info < (3, 11))

# An environment knows its own path (the editable install, the launcher), so a checkout that was moved is set up again: quick, all is there.
HERE   := $(shell pwd | cksum | cut -d ' ' -f 1)

.PHONY: help run test lint lock clean anvil

help:
	@echo 'make run    set up .venv and start the console (PROFILE=demo, ARGS="--speed max")'
	@echo 'make test   set up .venv, then lint and the whole test suite (WORKERS=2, ARGS="-k book")'
	@echo 'make anvil  install the test node into .venv, where npm is there; make test does it too'
	@echo 'make lint   ruff, mypy and the import contracts'
	@echo 'make lock   make the two lock files anew'
	@echo 'make clean  remove .venv, caches and build products; logs stay'

run: .venv/run-$(HERE)
	@.venv/bin/pmm-tui --profile $(PROFILE) $(ARGS)

test: lint anvil
	$(PY) -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)
	$(PY) -m tests.branches

lint: .venv/test-$(HERE)
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

# The tests of settlement and of the wallet need a real node; where it cannot be installed they skip and say so.
anvil: .venv/python
	@if [ -e .venv/anvil/node_modules/.bin/anvil ]; then exit 0; fi; \
	if ! command -v npm >/dev/null 2>&1; then echo 'npm is not here: the tests on a real node will skip'; exit 0; fi; \
	echo 'Installing the test node (once)'; \
	npm install --prefix .venv/anvil --no-audit --no-fund --loglevel=error $(ANVIL) >/dev/null \
	  || echo 'the test node could not be installed: the tests on a real node will skip'

lock: .venv/python
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PIP) install uv
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --output-file tests/requirements.lock --extra test --extra web --constraint requirements.lock

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist snapshot_report.html
	find pmm_tui tests -name __pycache__ -prune -exec rm -rf {} +

.venv/python:
	@if $(PY) -c '$(OLDER)' 2>/dev/null && $(PY) -m pip --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	for name in $(PYTHONS); do \
	  if "$$name" -c '$(OLDER)' 2>/dev/null; then found="$$name"; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo 'pmm-tui needs Python 3.11 or newer, and none was found (looked for: $(PYTHONS)).' >&2; \
	  echo 'Install one, or name it: make run PYTHONS=/path/to/python3.12' >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found cannot make a virtual environment: its venv or ensurepip module is missing." >&2; \
	  echo 'On Debian and Ubuntu they are in the package python3-venv.' >&2; exit 1; \
	fi; \
	echo "Making .venv with $$("$$found" --version)"; \
	"$$found" -m venv --clear .venv && touch $@

.venv/run-$(HERE): .venv/python requirements.lock pyproject.toml
	@echo 'Installing the pinned packages (once)'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test-$(HERE): .venv/python tests/requirements.lock pyproject.toml
	@echo 'Installing the pinned packages and test tools (once)'
	@$(PIP) install --require-hashes --requirement tests/requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
