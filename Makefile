# `make` alone says what there is.
.DEFAULT_GOAL := help
.PHONY: help install demo test quick check format schemas constraints bench dev clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

help: ## Show this help
	@echo "OpenFaith Sync. Needs Python 3.11 or newer and nothing else; start with: make demo"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(READY) ## Make .venv with pinned versions; does nothing when it is up to date

demo: $(READY) ## Sync a simulated church with all its apps through Dagster, and show it
	@$(BIN)/openfaith-sync demo

# Two workers per core, each with a PostgreSQL server of its own.
test: $(READY) ## Run all tests side by side; make test ARGS="-k commands" for some
	@$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

quick: $(READY) ## Run the tests of domain, engine and adapters, which need no database, within a minute
	@$(BIN)/pytest --numprocesses logical --dist worksteal $(addprefix openfaith_sync_tests/,domain engine adapters) $(ARGS)

check: $(READY) ## Check format, lint, types, import floors and known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m openfaith_sync_tests.audit constraints.txt

format: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(READY) ## Write the JSON Schemas that editors use for manifests
	$(BIN)/openfaith-sync manifest schema --write

constraints: $(READY) ## Pin the versions that are installed now
	@sed -n '/^#/p' constraints.txt > constraints.new
	@$(BIN)/pip freeze --exclude-editable >> constraints.new
	@mv constraints.new constraints.txt

bench: $(READY) ## Measure the engine: 60,000 records against the simulator
	@$(BIN)/python -m openfaith_sync_tests.bench $(ARGS)

dev: $(READY) ## Open the Dagster UI on http://localhost:3000
	DAGSTER_HOME=$(CURDIR) $(BIN)/dagster dev

clean: ## Stop the embedded PostgreSQL; remove .venv, .openfaith (its data too) and caches
	-@test ! -x $(BIN)/python || $(BIN)/python -m openfaith_sync.store.embedded stop
	rm -rf $(VENV) .openfaith .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache dist build
	rm -rf storage history schedules logs .logs_queue .nux .telemetry
	find openfaith_sync openfaith_sync_tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A name on the PATH is not yet an interpreter (pyenv's shims), so each is tried.
$(READY): pyproject.toml constraints.txt
	@for name in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && found=$$name && break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer was found; install one, or name it: make install PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	  echo "make: $$found lacks venv; on Debian: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$found" --version) (about a minute)"; \
	test -x $(BIN)/python || "$$found" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
