# What people type here. Needs Python 3.11 or newer (with venv), make, and the network once.

# The first Python on PATH that is new enough; `make PYTHON=... run` overrides it.
PYTHON ?= $(shell for p in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
ARGS ?=
# 'make test COVERAGE=1' measures what the tests cover, and fails below the bound in pyproject.toml.
COVERAGE ?=
# Where 'make run' serves the page; empty: nowhere.
WEB ?= tcp:8890:interface=127.0.0.1
# Files whose change means that what is installed is stale. The code itself is not among them: it
# is installed in place.
PACKAGING := pyproject.toml chatroom/__init__.py

.PHONY: help run test check hooks torture torture-pairs fuzz soak screenshots lint audit format build bench bench-quick lock clean

help:
	@echo 'To use it:'
	@echo '  make run          start the server ($(BIN)/twistd -n chatroom); ARGS="--listen tcp:9999" for options'
	@echo '                    WEB=tcp:9001:interface=127.0.0.1 for another port of the page, WEB= for no page'
	@echo '  make build        wheel and source archive into dist/'
	@echo 'To change it:'
	@echo '  make check        lint, types and the quick tests: under a minute'
	@echo '  make lint         ruff, mypy and bandit'
	@echo '  make format       let ruff put the code in order'
	@echo '  make test         run all tests; ARGS="tests/test_docs.py -k protocol" for some, COVERAGE=1 to'
	@echo '                    measure what they cover, which takes longer'
	@echo '  make hooks        have git run make lint before each commit'
	@echo 'To put it to the test:'
	@echo '  make bench        measure the server (20 minutes); make bench-quick: the main lines (3 minutes)'
	@echo '  make torture      break the service on purpose for ten minutes; ARGS="--help" for options'
	@echo '  make torture-pairs  break it in every two ways at a time, each pair once (a quarter of an hour)'
	@echo '  make fuzz         a million odd inputs (eight minutes); ARGS="--help" for options'
	@echo '  make soak         a day of use in a quarter of an hour, drawn to soak.png; ARGS="--help"'
	@echo 'From time to time:'
	@echo '  make audit        look for known holes in the locked packages, on the network'
	@echo '  make lock         renew requirements.lock, -dev.lock and -soak.lock'
	@echo '  make screenshots  take the pictures of the page in docs/images/ anew; needs a Chromium'
	@echo '  make clean        remove all that these made, but not chatroom-data/'

# The shell passes Ctrl-C, or the SIGTERM that make got, on to the server and waits for its clean end.
# That is then by SIGTERM (143), as it should be, so that make has nothing to complain of.
run: $(VENV)/.run
	@$(BIN)/twistd -n --pidfile= chatroom --data chatroom-data $(if $(WEB),--web $(WEB)) $(ARGS) & server=$$!; \
		trap 'trap "" INT TERM; kill -TERM $$server' INT TERM; \
		wait $$server 2>/dev/null; status=$$?; \
		if kill -0 $$server 2>/dev/null; then wait $$server 2>/dev/null; status=$$?; fi; \
		case $$status in 0|143) exit 0;; esac; \
		echo "'make help' says how to give 'make run' other options" >&2; exit $$status

# Most tests wait more than they compute: four at a time, those of one file one after the other, and
# those that wait longest first (tests/conftest.py).
test: $(VENV)/.dev
	@$(if $(COVERAGE),$(BIN)/coverage erase)
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder \
		$(if $(COVERAGE),--cov --cov-report=term) $(ARGS)

# Whatever starts no process and no browser: tests/conftest.py has the folders that do.
check: lint
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow" $(ARGS)

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

torture: $(VENV)/.dev
	@$(BIN)/python -m tests.system.torture $(ARGS)

torture-pairs: $(VENV)/.dev
	@$(BIN)/python -m tests.system.torture --pairs $(ARGS)

fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.soak
	@$(BIN)/python -m tests.soak $(ARGS)

screenshots: $(VENV)/.dev
	@$(BIN)/python -m tests.transports.web.page.screenshots

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r chatroom twisted examples chatroom.tac

# Looks all that is locked up in PyPI's list of known holes, on the network; what can't be looked up
# counts as found. In an environment of its own, so that what is audited is what is locked.
audit: $(VENV)/.dev
	@test -x $(VENV)/audit/bin/pip-audit || { $(BIN)/python -m venv $(VENV)/audit && \
		$(VENV)/audit/bin/python -m pip -qq --disable-pip-version-check install pip-audit; }
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-soak.lock

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(VENV)/.dev
	@rm -rf build dist
	$(BIN)/python -m build --outdir dist .

# Needs Linux, two cores and a C compiler; benchmarks/README.md says what it does.
bench: $(VENV)/.run
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.run
	@$(BIN)/python -m benchmarks --quick $(ARGS)

lock: $(VENV)/.dev
	$(PIP) install uv
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade pyproject.toml -o requirements.lock
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade -c requirements.lock --extra test --extra dev \
		pyproject.toml -o requirements-dev.lock
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade -c requirements-dev.lock --extra soak \
		pyproject.toml -o requirements-soak.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* coverage.xml htmlcov \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis _trial_temp \
		twisted/plugins/dropin.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'chatroom needs Python 3.11 or newer, and found none: install it,' \
		'or name it with make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'chatroom needs Python 3.11 or newer; $(PYTHON) is older or no Python'; exit 1; }
	@echo 'Making $(VENV) with '"$$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo 'could not make a virtual environment: install the venv module (on Debian and Ubuntu:' \
		'apt install python3-venv)'; exit 1; }

# --no-deps: the lock names everything. Older pips resolve all the same, and trip over an extra (such as
# coverage[toml]) as soon as there is a newer release of it than the locked one.
$(VENV)/.run: requirements.lock $(PACKAGING) | $(BIN)/python
	@echo 'Installing what chatroom needs (once)'
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo 'Installing what its tests need (once)'
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# Apart from the rest: autobahn imports numpy wherever it finds it, in each process that tests start.
$(VENV)/.soak: requirements-soak.lock $(VENV)/.dev
	@echo 'Installing what draws the picture (once)'
	@$(PIP) install --require-hashes --no-deps -r requirements-soak.lock
	@touch $@
