# Zhenjian. `make run` starts the demo, `make test` checks everything; both set up what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Compiled modules are kept: a start takes half the time.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.8
DATA := $(or $(ZHENJIAN_DATA_DIR),var)
CONSOLE := clients/console
MOBILE := clients/mobile
REALTIME := clients/realtime
PEERS := loadtests/peers
SHARED := $(shell find clients/realtime/src clients/design -type f 2>/dev/null)

.PHONY: run test setup clients static check lint types contracts supply-chain unit quick journeys beside client-checks client-tests \
	browser services format requirements clean-data clean help migration lock bench-crypto bench-chat bench-media compiled soak load

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

run: setup clients ## Start the demo: everything on this machine
	@# Where Python may not write bytecode while it runs, every start would compile everything.
	@$(PYTHON) -m compileall -q app.py core realtime media clinical admin
	@exec $(PYTHON) -m app demo

# Two things at a time, which is what two cores can do: docs/decisions/0039.
test: ## Set up what is missing and check everything
	@$(MAKE) --output-sync=target -j 2 setup clients
	@$(MAKE) browser services
	@$(MAKE) -j 2 quick static
	@$(MAKE) --output-sync=target -j 2 journeys beside

check: lint types contracts ## Formatting, linting, strict typing, import contracts

# What only computes and waits for nobody takes what the tests beside it leave over.
static: setup clients
	@mkdir -p var
	@code=0; nice -n 10 $(MAKE) check client-checks supply-chain > var/static.log 2>&1 || code=$$?; \
		cat var/static.log; exit $$code

# --- Set-up ---------------------------------------------------------------------------------------

setup: $(VENV)/.ready ## Locked Python environment

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@scripts/tools.sh python
	@echo "Python environment …"
	@scripts/uv.sh $(UV_VERSION) venv -q --allow-existing --python "$$(scripts/tools.sh which-python)" $(VENV)
	@scripts/uv.sh $(UV_VERSION) pip sync -q --compile-bytecode --python $(PYTHON) requirements/dev.txt
	@scripts/uv.sh $(UV_VERSION) pip install -q --python $(PYTHON) --no-deps --no-build-isolation -e .
	@touch $@

clients: clients/digests.json ## Build both clients

%/node_modules/.ready: %/package-lock.json
	@scripts/tools.sh node
	@echo "Packages of $* …"
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(CONSOLE)/dist/.ready: $(CONSOLE)/node_modules/.ready $(REALTIME)/node_modules/.ready $(SHARED) \
		$(shell find $(CONSOLE) -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)
	@echo "Building the console …"
	@cd $(CONSOLE) && npm run --silent build
	@touch $@

$(MOBILE)/dist/.ready: $(MOBILE)/node_modules/.ready $(REALTIME)/node_modules/.ready $(SHARED) \
		$(shell find $(MOBILE) -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)
	@echo "Building the mobile app …"
	@cd $(MOBILE) && npm run --silent build
	@touch $@

clients/digests.json: $(CONSOLE)/dist/.ready $(MOBILE)/dist/.ready $(wildcard clients/home/*) \
		$(VENV)/.ready
	@$(PYTHON) scripts/list_clients.py

browser: ## Debian's Chromium and a Chinese font, where they may be installed
	@scripts/tools.sh browser

services: ## Redis, ClamAV and coturn for the tests, where they may be installed
	@scripts/tools.sh services

# --- Checks ---------------------------------------------------------------------------------------

lint: setup
	@echo "Formatting and linting …"
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/ruff check -q .

types: setup
	@echo "Types …"
	@$(VENV)/bin/mypy

supply-chain: setup ## List the components of a release and ask whether one is known to be vulnerable
	@echo "Components …"
	@scripts/tools.sh node
	@$(PYTHON) scripts/supply_chain.py sbom
	@$(PYTHON) scripts/supply_chain.py audit

contracts: setup
	@echo "Import contracts …"
	@$(VENV)/bin/lint-imports --no-logo

# The journeys need a core or more for their cameras, so they come after the others, one by one; what
# starts processes of its own, mostly to wait for them, and the clients' own tests go beside them.
unit: setup clients
	@$(MAKE) quick
	@$(MAKE) --output-sync=target -j 2 journeys beside

# tests/conftest.py puts files with long tests first.
quick: setup clients
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not browser and not alone"

journeys: setup clients
	@$(PYTHON) -m pytest -q -m "browser and not paced"

beside: setup clients
	@$(MAKE) --no-print-directory client-tests
	@$(PYTHON) -m pytest -q -m "alone and not browser"

client-checks: clients
	@for client in $(REALTIME) $(CONSOLE) $(MOBILE); do \
		echo "Checks of $$client …"; \
		(cd $$client && npm run --silent check); \
	done

client-tests: clients
	@for client in $(REALTIME) $(CONSOLE) $(MOBILE); do \
		echo "Tests of $$client …"; \
		(cd $$client && npm test --silent); \
	done

format: setup ## Put the Python code in form
	@$(VENV)/bin/ruff check -q --fix .
	@$(VENV)/bin/ruff format -q .

# --- Tools ----------------------------------------------------------------------------------------

soak: setup browser services ## 100,000 acknowledged messages under faults, ten minutes of a conference: nothing lost, no leak
	@PYTHONPATH=clients/python $(PYTHON) -m tests.faults.soak --messages $(or $(MESSAGES),100000)
	@$(PYTHON) -m media.compiled || true
	@$(PYTHON) -m tests.faults.call_soak --people $(or $(PEOPLE),8) --seconds $(or $(SECONDS),600)
	@# Larger and smaller pictures come when Chromium's own estimate of network and processor says so.
	@$(PYTHON) -m pytest -q -m paced

load: setup ## Load that checks the guarantees: make load SCENARIO=day|storm|lecture|wall
	@PYTHONPATH=clients/python $(PYTHON) -m loadtests.load $(or $(SCENARIO),day) \
		--users $(or $(USERS),20) --seconds $(or $(SECONDS),60) $(if $(UI),--ui) \
		$(if $(HOST),--host $(HOST) --people $(PEOPLE))

bench-crypto: setup ## How fast signing is, beside gmssl, and the signing service under load
	@$(PYTHON) -m loadtests.bench_crypto

bench-chat: setup $(PEERS)/node_modules/.ready ## How fast the rooms are, beside Socket.IO on Node and stock python-socketio
	@$(PYTHON) -m loadtests.bench_chat

compiled: setup ## Compile the way of packets through a media worker, where a C compiler is
	@$(PYTHON) -m media.compiled

bench-media: setup ## How much media a worker forwards, beside Janus and aiortc's MediaRelay
	@$(PYTHON) -m media.compiled || true
	@$(PYTHON) -m loadtests.bench_media

requirements: setup ## Which requirement rows are shown by a passing test
	@$(PYTHON) -m tests.support.requirements

migration: setup ## Draft a migration from the models: make migration NAME=add_x
	@$(PYTHON) -m tests.support.draft_migration "$(NAME)"

lock: ## Lock the Python requirements again
	@requirements/lock.sh

clean-data: setup ## Delete what the demo has stored
	@$(PYTHON) -c "from pathlib import Path; from admin.demo.launch import remove_data; remove_data(Path('$(DATA)').absolute())"
	@echo "The demo's data is gone."

clean: ## Delete environments and builds (not the data)
	@rm -rf $(VENV) $(CONSOLE)/dist $(MOBILE)/dist clients/*/node_modules $(PEERS)/node_modules clients/digests.json
