# One machine, one command: `make run`. Needs python3 (3.11 or newer) with pip or venv, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What `make run` does not need: a first run waits for the download.
DRAWS := $(VENV)/.draws
TOOLS := var/tools
# Side by side; much of the time they wait.
TESTERS ?= 3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check chaos bench lock lock-tasks clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: $(INSTALLED) ## everything on this machine, on http://127.0.0.1:8000 (PORT=, WORKERS=, DATABASE_URL=, REDIS_URL=)
	@$(BIN)/python -m local.run

# In the order of the folders: files with few long tests would come last otherwise, and one tester would wait.
test: $(INSTALLED) $(DRAWS) ## all tests and their coverage, child processes included (ARGS="-k name" for some, TESTERS=1 for one at a time)
	@mkdir -p var/coverage && rm -f var/coverage/data*
	@$(BIN)/python -m coverage run -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(ARGS); tests=$$?; \
	$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage report; report=$$?; \
	test $$tests -eq 0 || exit $$tests; exit $$report

test-fast: $(INSTALLED) $(DRAWS) ## tests that are not marked slow: no processes of the service, a minute or two (ARGS=, TESTERS=)
	@$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

check: $(INSTALLED) $(DRAWS) ## format, lint, types, directions of imports
	@failed=; \
	for tool in "ruff format --check ." "ruff check ." "mypy --strict punctual app workers local migrations tests benchmarks tools" "lint-imports --no-logo"; do \
		echo "== $$tool"; $(BIN)/$$tool || failed="$$failed [$$tool]"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

chaos: $(INSTALLED) ## kills, freezes and cuts off processes while tasks run, then counts (ARGS=)
	@$(BIN)/python -m tests.faults $(ARGS)

bench: $(INSTALLED) $(DRAWS) ## throughput and punctuality beside limits and nine other schedulers, in about 14 minutes (ARGS=--no-peers)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## newest versions of all requirements, with hashes
	@test -x $(TOOLS)/bin/uv || ./local/install $(PYTHON) $(TOOLS) requirements-lock.txt
	@for name in requirements requirements-dev requirements-bench requirements-lock; do \
		echo "== $$name.txt"; \
		$(TOOLS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
			$$name.in --output-file $$name.txt || exit 1; \
	done
	@echo "-r requirements-tasks.txt" >> requirements.txt

lock-tasks: ## versions and hashes of requirements-tasks.in, the packages of your own task types; changes no other version
	@test -x $(TOOLS)/bin/uv || ./local/install $(PYTHON) $(TOOLS) requirements-lock.txt
	@grep -v '^-r ' requirements.txt > $(TOOLS)/constraints.txt
	@$(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--constraint $(TOOLS)/constraints.txt requirements-tasks.in --output-file requirements-tasks.txt

clean: ## forget everything made here, the tasks kept in var/ too
	rm -rf $(VENV) var .coverage .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt requirements-tasks.txt requirements-dev.txt
	@./local/install $(PYTHON) $(VENV) requirements.txt requirements-dev.txt
	@touch $@

$(DRAWS): requirements-bench.txt | $(INSTALLED)
	@./local/install $(PYTHON) $(VENV) requirements-bench.txt
	@touch $@
