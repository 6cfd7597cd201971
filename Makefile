# `make demo` shows a mutual handshake, `make test` tests it. Each target sets up .venv by itself.
PYTHON ?= python3
# yes: the pinned versions of requirements/; no: whatever the ranges of pyproject.toml allow today.
PINNED ?= yes
# What to pass on, as in `make demo ARGS=--json` or `make test ARGS="tests/tls -x"`.
ARGS ?=
# What `make image` makes, and of which image of Debian with the Python that requirements/image.txt is fetched for.
IMAGE ?= localhost/bothways
BASE ?= docker.io/library/debian:bookworm-slim
# A commit, tag or branch with which `make bench` compares this tree.
AGAINST ?=
# How many tests run at once; 0 for one after another in this process, as a debugger wants it. Two more than there are
# processors, since many wait for other programs.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 2)')

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
HELPERS := $(CURDIR)/tests/helpers
TESTS := $(CURDIR)/tests:$(HELPERS)/certificates:$(HELPERS)/commands:$(HELPERS)/engine:$(HELPERS)/services

.PHONY: help demo test test-all check format bench soak fleet gallery failures rooms figures manual image site clean

help:
	@echo "make demo      a mutual TLS handshake over real sockets, step by step, and those that are refused"
	@echo "make test      the tests (minutes; needs nothing but Python, tells what it skipped and why)"
	@echo "make test-all  the same with the full counts of every sweep"
	@echo "make check     format, lint, types, layers (a minute)"
	@echo "make bench     the budgets, side by side with other TLS stacks; AGAINST=REF compares with another commit"
	@echo "make soak      ten minutes of a gateway under good and hostile peers, while everything changes; ARGS=\"--minutes 1\""
	@echo "make fleet     three gateways that share a Redis which is killed, under clients that connect repeatedly"
	@echo "make gallery   the pictures of docs/gallery, drawn anew from real runs"
	@echo "make failures  docs/failures.md and the refusal in README, written anew from the catalogue of failures"
	@echo "make rooms     the pictures of docs/design.md, drawn anew from what the sources import"
	@echo "make manual    the manual page and the bill of materials in packaging/, written anew"
	@echo "make image     the commands in an image of Debian (needs buildah); IMAGE=NAME, BASE=IMAGE OF DEBIAN"
	@echo "make site      the documentation as a web site in build/site, with every link and picture checked"
	@echo "make figures   how long functions and files are"
	@echo "make format    rewrite the sources as \`make check\` wants them"
	@echo "make clean     remove .venv and caches"

demo: .venv/run.stamp
	@$(BIN)/bothways demo $(ARGS)

# Tests start a thousand interpreters: the bytecode of what these import is kept, whatever the caller has set.
test test-all check: export PYTHONDONTWRITEBYTECODE :=

test: .venv/dev.stamp
	$(BIN)/python -m pytest -q -rfEs -n $(JOBS) --dist worksteal $(ARGS)

test-all: .venv/dev.stamp
	$(BIN)/python -m pytest -q -rfEs --full -n $(JOBS) --dist worksteal $(ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture

format: .venv/dev.stamp
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m bench $(if $(AGAINST),--against '$(AGAINST)') $(ARGS)

soak: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m soak $(ARGS)

fleet: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m fleet $(ARGS)

gallery: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m gallery $(ARGS)
	@test -e docs/gallery/gateway-status.png || PYTHONPATH="$(TESTS)" $(BIN)/python -m gallery.status

failures: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m catalogue
	PYTHONPATH="$(TESTS)" $(BIN)/python -m report_schema

rooms: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m architecture.picture

manual: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m distribution

site: .venv/dev.stamp
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/site
	@echo "open build/site/index.html"

figures: .venv/dev.stamp
	PYTHONPATH="$(TESTS)" $(BIN)/python -m architecture.figures

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("bothways needs Python 3.11 or later: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

image: .venv/run.stamp
	rm -rf build/image
	$(PIP) wheel -q --no-deps -w build/image/wheels .
	$(PIP) download -q --require-hashes --only-binary :all: --python-version 3.11 \
		-d build/image/wheels -r requirements/image.txt
	buildah bud -t '$(IMAGE)' --build-arg BASE='$(BASE)' -f packaging/Containerfile build/image

.venv/run.stamp: requirements/run.txt | .venv/bin/python
	@test -e .venv/dev.stamp || $(MAKE) --no-print-directory install WHAT=run EXTRA=cli
	@touch $@

.venv/dev.stamp: requirements/dev.txt | .venv/bin/python
	@$(MAKE) --no-print-directory install WHAT=dev EXTRA=dev
	@touch $@

.PHONY: install
install:
	@echo "setting up .venv, which is done once" >&2
ifeq ($(PINNED),yes)
	@$(PIP) install -q --require-hashes --only-binary :all: -r requirements/$(WHAT).txt
	@$(PIP) install -q --no-deps --no-build-isolation --editable .
else
	@$(PIP) install -q --upgrade --editable '.[$(EXTRA)]'
endif

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist .coverage
