# The two commands of the README and those of a developer. Everything else is `snakemake`.

PYTHON ?= python3
VENV := .venv
LOCK := envs/requirements.lock
DATA := envs/data.lock
READY := $(VENV)/.ready
TRAINERS := $(VENV)/.trainers

.DEFAULT_GOAL := help
# Each step needs those before it, also with `make -j`.
.NOTPARALLEL:
.PHONY: help reproduce test docs lint format lock setup trainers latex browser slurm

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

reproduce: setup latex ## measure on this machine and build the paper (SCALE=smoke, quick or standard)
	$(VENV)/bin/snakemake --cores all $(if $(SCALE),--config scale=$(SCALE))

test: setup trainers latex browser ## run every test, the workflow at the smoke scale included
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(VENV)/bin/python -m pytest -m alone

docs: setup ## build the site in docs/_build; warnings are errors
	for script in docs/*_reference.py; do $(VENV)/bin/python $$script || exit 1; done
	$(VENV)/bin/sphinx-build -W -q -b html docs docs/_build

lint: setup ## check style, types, borders between modules and the workflow
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/snakefmt --check Snakefile workflow/rules

format: setup ## rewrite the code in the house style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/snakefmt Snakefile workflow/rules

lock: ## choose package versions again from envs/requirements.in (needs uv)
	for name in requirements peers trainers setup; do uv pip compile --quiet --universal --generate-hashes \
		--python-version 3.11 --custom-compile-command "make lock" envs/$$name.in -o envs/$$name.lock; done
	uv pip compile --quiet --universal --generate-hashes --no-deps --constraints $(LOCK) \
		--python-version 3.11 --custom-compile-command "make lock" envs/measure.in -o envs/measure.lock
	uv pip compile --quiet --universal --generate-hashes --no-deps \
		--python-version 3.11 --custom-compile-command "make lock" envs/data.in -o $(DATA)

setup: $(READY) ## create .venv with the pinned packages

$(READY): $(LOCK) $(DATA) envs/setup.lock envs/setup-python.sh
	@bash envs/setup-python.sh $(PYTHON) $(VENV) $(LOCK) $(DATA)
	@touch $@

trainers: $(TRAINERS) ## add the pinned trainers whose callbacks are tested

$(TRAINERS): $(READY) envs/trainers.lock
	@bash envs/setup-python.sh $(PYTHON) $(VENV) envs/trainers.lock
	@touch $@

latex: ## make sure that LaTeX is there
	@bash envs/setup-debian.sh latex

browser: ## make sure that a browser is there, for tests of pages
	@bash envs/setup-debian.sh browser

slurm: ## install Slurm, for tests of a cluster: they are skipped where it is missing
	@bash envs/setup-debian.sh slurm
