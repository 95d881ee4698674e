# Every target works alone on a fresh clone. What they need: Python 3.11 or newer and the usual Linux tools.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { command -v $$p; break; }; done)
BIN := .venv/bin
RUN_STAMP := .venv/.lateen-run
DEV_STAMP := .venv/.lateen-dev
CONSOLE_STAMP := .venv/.lateen-console
CONSOLE := $(shell find console -name node_modules -prune -o -type f -print)

.PHONY: help setup demo smoke outage latency pictures test e2e check bench bench-api bench-check bench-scale bench-hop bench-telemetry soak soak-telemetry fuzz soak-certificates format lock clean

help:
	@echo 'make demo    set up, build and run examples/polyglot, with a live view'
	@echo 'make smoke   the same, then requests through the ingress, and down again; the exit status tells'
	@echo 'make outage  play the outage of docs/outage.md: a release, payments that fail, the fix'
	@echo 'make latency play the slow requests of docs/outage.md: hidden failures, retries, the fix'
	@echo 'make pictures  take the pictures of docs/ anew, with Chromium'
	@echo 'make test    unit, golden and end-to-end tests'
	@echo 'make check   format, lint, types, layers'
	@echo 'make bench   the figures of docs/benchmarks.md, measured here'
	@echo 'make bench-api    only those of the API with 10,000 objects'
	@echo 'make bench-check  only those of the commands on files: analyze …'
	@echo 'make bench-scale  only those of 1,000 services and 1,000 pretended proxies'
	@echo 'make bench-hop    only what a hop through two proxies adds'
	@echo 'make bench-telemetry  what telling of 1,000 requests a second costs, on against off'
	@echo 'make soak-telemetry   whether anything grows in 20 minutes of it'
	@echo 'make soak-certificates  five minutes of requests, certificates of ten seconds, a new root half way'
	@echo 'make soak    change routes, pods and the control plane under load, and count what fails'
	@echo 'make fuzz    100,000 hostile requests to the API'
	@echo 'make setup   only .venv, with .venv/bin/lateen'

setup: $(RUN_STAMP)

.venv/bin/uv: requirements/run.txt
	@test -n "$(PYTHON)" || { echo 'lateen needs Python 3.11 or newer; set PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	grep -A 99 '^uv==' requirements/run.txt | awk 'NR > 1 && !/^ / {exit} {print}' > .venv/uv.txt
	$(BIN)/python -m pip install -q --require-hashes -r .venv/uv.txt
	@touch $@

$(DEV_STAMP): .venv/bin/uv requirements/run.txt requirements/dev.txt pyproject.toml tools/envoy_protos.py
	$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python tools/envoy_protos.py
	$(BIN)/python -m compileall -q src/lateen
	@touch $@

# Takes the machine's Node.js, or a packaged one where there is none.
$(CONSOLE_STAMP): $(CONSOLE) tools/console.py requirements/node.txt | $(DEV_STAMP)
	$(BIN)/python tools/console.py build
	@touch $@

# The protobuf modules are generated, so the tools are needed once; running needs only run.txt.
$(RUN_STAMP): $(DEV_STAMP) $(CONSOLE_STAMP)
	@touch $@

demo: setup
	$(BIN)/lateen up examples/polyglot

smoke: setup
	$(BIN)/python tools/smoke.py

outage: setup
	$(BIN)/python -m tools.outage payments

latency: setup
	$(BIN)/python -m tools.outage stock

pictures: setup
	$(BIN)/python -m tools.pictures

test: $(DEV_STAMP) $(CONSOLE_STAMP)
	$(BIN)/pytest -q -n 2 -m 'not e2e and not sandbox' tests
	$(BIN)/pytest -q -m 'e2e or sandbox' tests

check: $(DEV_STAMP) $(CONSOLE_STAMP)
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy src tests tools
	$(BIN)/lint-imports
	$(BIN)/python tools/console.py check

bench: setup bench-api bench-check bench-scale bench-hop
	$(BIN)/python tools/bench.py

bench-api: setup
	$(BIN)/python -m tools.bench_api

bench-check: setup
	$(BIN)/python -m tools.bench_check

bench-scale: setup
	$(BIN)/python -m tools.bench_scale

bench-hop: $(DEV_STAMP)
	$(BIN)/python -m tools.bench_hop

bench-telemetry: $(DEV_STAMP)
	$(BIN)/python -m tools.bench_telemetry

soak-telemetry: $(DEV_STAMP)
	$(BIN)/python -m tools.bench_telemetry --soak 20

soak-certificates: $(DEV_STAMP)
	$(BIN)/python -m tools.soak_certificates

soak: $(DEV_STAMP)
	$(BIN)/python -m tools.soak

fuzz: $(DEV_STAMP)
	$(BIN)/python -m tools.fuzz_api

format: $(DEV_STAMP)
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

lock: .venv/bin/uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements/node.in -o requirements/node.txt

clean:
	rm -rf .venv build src/lateen/envoy/pb src/lateen/console/dist console/node_modules
