# Everything a fresh machine needs is Python 3.11+, git and make. Where uv does not reach the index (it has
# certificates of its own), pip does the same, slower.
PYTHON ?= python3
SQLALCHEMY ?=
FLOOR ?=
VENV ?= .venv$(if $(SQLALCHEMY),-sa$(SQLALCHEMY))$(if $(FLOOR),-floor)
BIN = $(VENV)/bin
WANTED = --editable . --group dev $(if $(FLOOR),,--group proof) $(if $(SQLALCHEMY)$(FLOOR),,--group docs) $(if $(SQLALCHEMY),"SQLAlchemy==$(SQLALCHEMY).*") $(if $(filter 2.0,$(SQLALCHEMY)),"fastapi-users-db-sqlalchemy>=6") $(if $(FLOOR),--constraint $(VENV)/floor.txt)
# Once, as pip does, and not by each of the processes that run tests at a time
COMPILED = $(if $(SQLALCHEMY)$(FLOOR),,--compile-bytecode)
EXTRAS = $(foreach extra,http fastapi testing cli,--extra $(extra))

# uv asks the machine whom to trust, as pip and git do
export UV_SYSTEM_CERTS = 1
export UV_NATIVE_TLS = 1

# Containers set it, and then each process that a test starts compiles every package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

# At the floor: of what users install only, since the tests' own tools ask for newer ones; the oldest Typer knows no
# click after 8.1.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.5" "pip>=25.1"
	$(if $(FLOOR),$(BIN)/uv pip compile --quiet --python $(BIN)/python --resolution lowest-direct $(EXTRAS) pyproject.toml \
		| grep -E '^[a-z]' | grep -vE '^(pytest|pluggy|iniconfig|packaging|click)==' > $(VENV)/floor.txt)
	$(if $(FLOOR),echo 'click<8.2' >> $(VENV)/floor.txt)
	$(BIN)/uv pip install --quiet $(COMPILED) --python $(BIN)/python $(WANTED) || $(BIN)/python -m pip install --quiet $(WANTED)
	@touch $@

setup: $(VENV)/.ready  ## install everything into .venv

test: $(VENV)/.ready  ## run the tests; SQLALCHEMY=2.0 takes that line, FLOOR=1 the oldest dependencies, each in an environment of its own
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

demo: $(VENV)/.ready  ## start the example and walk through it; ONCE=1 exits after it, DB=postgres uses PostgreSQL
	$(BIN)/python -m examples.fastapi_app.demo $(if $(ONCE),--once) $(if $(filter postgres,$(DB)),--postgres)

lint: $(VENV)/.ready  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.ready site  ## check every link, run every example of the documentation, and build its site
	$(BIN)/python -m scripts.check_docs

site: $(VENV)/.ready  ## build the documentation and the API reference into site/, warnings being errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

statements: $(VENV)/.ready  ## write docs/statements.md from the table of statement forms
	$(BIN)/python -m tests.sql.forms.page

findings: $(VENV)/.ready  ## write the list of findings in docs/check.md from the catalogue
	$(BIN)/python -m scripts.rules_page

sqlalchemy-suite: $(VENV)/.ready  ## run SQLAlchemy's own tests guarded and unguarded, and compare them one by one
	$(BIN)/python -m scripts.sqlalchemy_suite $(ARGS)

prove: $(VENV)/.ready  ## run a million generated programs over three databases: ARGS="--programs 10000 --seed 3"
	$(BIN)/python -m tests.prove --programs 1000000 $(ARGS)

prove-policies: $(VENV)/.ready  ## run generated programs under PostgreSQL's sealed policies alone, and compare: ARGS="--programs 10000"
	$(BIN)/python -m tests.prove --backends postgresql --programs 100000 $(ARGS)

matrix: $(VENV)/.ready  ## run whole what the tests take a share of: both servers, each vector in each place, long texts
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --rest $(ARGS)

hostile: $(VENV)/.ready  ## write in every spelling, form and state, and compare with the world of one company: ARGS="--programs 5000 --seed 3"
	$(BIN)/python -m tests.hostile $(ARGS)

fuzz: $(VENV)/.ready  ## send SQL text and tokens that nobody would write, for ten minutes: ARGS="--seconds 3600 --seed 7"
	$(BIN)/python -m tests.fuzz $(ARGS)

torture: $(VENV)/.ready  ## a million transactions of fifty companies on PostgreSQL, cancelled, killed and pooled: ARGS="--transactions 10000"
	$(BIN)/python -m tests.torture $(ARGS)

retrofit: $(VENV)/.ready  ## give a table of 2,000,000 rows its tenant column under load: ARGS="--rows 100000"
	$(BIN)/python -m tests.retrofit $(ARGS)

hostile-texts: $(VENV)/.ready  ## read 10,000 long, deep and broken texts, each within a second and 50 MB
	$(BIN)/python -m tests.fuzz --hostile --seconds 36000 --count 10000 $(ARGS)

keep-alive: $(VENV)/.ready  ## send 10,000 requests of many clients over one connection, under each server
	$(BIN)/python -m tests.asgi.test_proxy 10000

mutants: $(VENV)/.ready  ## break the guards one by one and print how many the tests notice
	$(BIN)/python -m scripts.mutants $(ARGS)

mechanisms: $(VENV)/.ready  ## attack query hooks, row security alone and the guard, and print what gets through
	$(BIN)/python -m scripts.mechanisms $(ARGS)

bench: $(VENV)/.ready  ## load the example with Locust on two processes, in each way of isolating, and report
	$(BIN)/python -m benchmarks.locust $(ARGS)
	$(BIN)/python -m benchmarks.report

bench-micro: $(VENV)/.ready  ## measure statements, the request path and what grows, and report
	$(BIN)/python -m benchmarks.micro $(ARGS)
	$(BIN)/python -m benchmarks.request
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.report

bench-profile: $(VENV)/.ready  ## count instructions, sample where the guard spends its time, and report
	$(BIN)/python -m benchmarks.micro.instructions
	$(BIN)/python -m benchmarks.locust.apart
	$(BIN)/python -m benchmarks.profile $(ARGS)
	$(BIN)/python -m benchmarks.report

bench-revocation: $(VENV)/.ready  ## measure how fast a revocation holds in four workers, with a Redis that is killed: ARGS=rounds
	$(BIN)/python -m benchmarks.revocation $(ARGS)

bench-flights: $(VENV)/.ready  ## measure a transaction of one statement on PostgreSQL, near and a millisecond away
	$(BIN)/python -m benchmarks.flights $(ARGS)

bench-compare: $(VENV)/.ready  ## compare with another commit, and say what moved beyond its noise: BASE=main
	$(BIN)/python -m benchmarks.compare $(or $(BASE),$(error say BASE=, the commit to compare with)) $(ARGS)

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

.PHONY: setup test demo lint docs site statements sqlalchemy-suite prove prove-policies matrix hostile hostile-texts fuzz torture retrofit keep-alive mutants mechanisms bench bench-micro bench-profile bench-revocation bench-flights bench-compare help
