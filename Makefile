# Every verb of the project in one place. Needs make (GNU 3.81 or newer) and Python 3.11 or newer;
# everything else is installed into .venv. Choose another interpreter with `make setup PYTHON=...`.

MODERN := import sys; sys.exit(sys.version_info < (3, 11))
# The first interpreter that is new enough; looked for only when the environment has to be made.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(MODERN)' 2>/dev/null && { echo $$p; break; }; done)

BIN := .venv/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url
PROTO := proto/nucleus/rpc/job_queue.proto

.DEFAULT_GOAL := help
.PHONY: help setup lab demo test test-long test-full lint types proto diagram screenshots bench bench-quick clean requirements

help: ## List every target with its one-line text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

setup: .venv/.stamp ## Make .venv with everything in it; does nothing when it is up to date

lab: .venv/.stamp ## Open the notebooks in JupyterLab
	$(BIN)/nucleus lab

demo: .venv/.stamp ## Do real work, kill a worker, and prove that nothing was lost
	$(BIN)/nucleus demo

test: lint types ## Lint, check types, and run every test that is not slow
	$(BIN)/pytest -n 4 --dist worksteal -m "not long and not full"

test-long: .venv/.stamp ## Run the slow tests
	@$(BIN)/pytest -n 2 --dist loadfile -m "long and not full" || { code=$$?; \
	test $$code -eq 5 || exit $$code; echo "No test is marked long."; }

test-full: .venv/.stamp ## Run the slow tests at their full sizes
	$(BIN)/pytest -m "full or long"

lint: .venv/.stamp ## Check style and format (PEP 8, by ruff)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.stamp ## Check types (mypy, strict)
	$(BIN)/mypy

proto: .venv/.stamp ## Generate the gRPC stubs again from the .proto file
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=. --pyi_out=. --grpc_python_out=. $(PROTO)

diagram: ## Draw architecture.png from docs/architecture.dot (needs Graphviz)
	dot -Tpng -Gdpi=110 docs/architecture.dot -o architecture.png

screenshots: .venv/.stamp ## Take the pictures of the README anew, in a real Chromium
	mkdir -p build/screenshots
	NUCLEUS_SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/pytest -m long -k "Light or axe" \
	tests/test_lab_picture.py tests/test_dashboard_page_browser.py
	NUCLEUS_SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/pytest -m long tests/test_lab_student.py
	cp build/screenshots/picture-light.png docs/living-picture.png
	cp build/screenshots/all-light-1280.png docs/dashboard.png

bench: .venv/.bench ## Measure Nucleus beside its peers (half an hour), into docs/performance.md
	$(BIN)/python -m benchmarks

bench-quick: .venv/.bench ## Measure beside the two fastest peers, in under two minutes
	$(BIN)/python -m benchmarks --quick

clean: ## End what an interrupted run left behind; remove caches and build outputs
	-@test ! -x $(BIN)/nucleus || $(BIN)/nucleus clean
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis

requirements: .venv/.stamp ## Pin again what pyproject.toml asks for (UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) --extra dev -o requirements-dev.txt
	$(COMPILE) --extra lab --constraint requirements-dev.txt -o requirements.txt
	$(COMPILE) --constraint requirements-dev.txt -o requirements-services.txt
	echo hatchling | $(subst pyproject.toml,-,$(COMPILE)) --constraint requirements-dev.txt -o requirements-build.txt
	$(COMPILE) --extra bench --constraint requirements-dev.txt -o requirements-bench.txt
	@for file in requirements*.txt; do { \
	echo "# Pinned and hashed, for every platform. The Makefile says from which part of pyproject.toml."; \
	echo "# Written by 'make requirements'; change pyproject.toml, not this file."; \
	cat $$file; } > $$file.new && mv $$file.new $$file; done

.venv/.stamp: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(MODERN)' || { \
	echo "Nucleus needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not." \
	"Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	@# uv comes first, pinned and hashed by the same file as everything that it installs.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@# Compiled once here, not by each process anew where Python is told not to write that down.
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q nucleus
	@touch $@

.venv/.bench: .venv/.stamp requirements-bench.txt
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-bench.txt
	@touch $@
