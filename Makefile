# Needs python3 (3.11 or newer), pip and make; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
PYTEST_WORKERS ?= 2

# Printed from the code and committed; `make check` refuses stale copies.
GENERATED := schemas surgery/model/catalogue.json surgery/model/scan/allowlist.json docs/reference

# The marks of tests that have a target of their own.
LONG := applications or crash or fuzz or keras2 or promise

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help demo test quick check lint types imports stale fix golden generated docs bench fuzz promise crash-test test-cpus applications language-server clean

help:
	@echo "make demo        run the quickstart: a classifier of digits 0-4 learns 5-9"
	@echo "make test        run the tests"
	@echo "make quick       run those that need no Keras: what a change most likely breaks"
	@echo "make check       ruff, mypy --strict, import-linter, stale copies of generated files"
	@echo "make fix         format, and put right what ruff can"
	@echo "make golden      write the generated files and the golden files of the tests anew"
	@echo "make docs        write the reference pages and build docs/_build"
	@echo "make bench       time plan, inspect and diff on 550 MB models"
	@echo "make fuzz        300,000 mutated recipes, 20,000 mutated models, 20,000 plans"
	@echo "make promise     5,000 random recipes on random models, each plan held against plain Keras: an hour"
	@echo "make language-server  fetch yaml-language-server from npm, for the tests of the schema in an editor"
	@echo "make crash-test  kill processes at random, and let each operation of a commit fail"
	@echo "make test-cpus   run the tests three times: with all instructions of this CPU, with AVX2 and with SSE4.1 alone"
	@echo "make keras2      files of Keras 2, every layer class, against Keras 2 itself: a quarter of an hour; needs tf_keras, and installs it"
	@echo "make applications  surgery on every model of keras.applications: long"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "surgery needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@# Where python3 comes without ensurepip (Debian's does), pip itself puts pip into the environment.
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
	  $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

.venv/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorflow]'
	@touch $@

.venv/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorflow,test]'
	@touch $@ .venv/demo.stamp

.venv/docs.stamp: pyproject.toml | .venv/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

demo: .venv/demo.stamp
	$(BIN)/surgery run recipes/quickstart/digits-0-to-9.yaml
	@echo
	@echo "Where to look next: docs/quickstart.md does this step by step, recipes/ has four more,"
	@echo "and $(BIN)/surgery --help lists the commands."

quick: .venv/test.stamp
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -q -m "not (keras or $(LONG))"

test: .venv/test.stamp
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not ($(LONG))"

check: lint types imports stale

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp
	$(BIN)/mypy

imports: .venv/test.stamp
	$(BIN)/lint-imports

stale: generated
	@test -z "$$(git status --porcelain -- $(GENERATED))" || { git --no-pager diff --stat -- $(GENERATED); \
	  echo "These files are printed from the code and are not up to date: make golden, then commit them." >&2; exit 1; }

fix: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generated: .venv/test.stamp
	$(BIN)/python -m surgery.execution.catalogue
	$(BIN)/python -m surgery.execution.allowlist
	$(BIN)/python -m surgery.reporting.schemas schemas
	$(BIN)/python docs/print_reference.py docs/reference

golden: generated
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not ($(LONG))" --snapshot-update

docs: .venv/docs.stamp
	$(BIN)/python docs/print_reference.py docs/reference
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -b html docs docs/_build

bench: .venv/demo.stamp
	$(BIN)/python benchmarks/plan_vgg16.py
	$(BIN)/python benchmarks/diff_vgg16.py
	$(BIN)/python benchmarks/plan_scaling.py

fuzz: .venv/test.stamp
	$(BIN)/python -m pytest -m fuzz -s

promise: .venv/test.stamp
	$(BIN)/python -m pytest -m promise -s

crash-test: .venv/test.stamp
	$(BIN)/python -m pytest -m crash -s

# oneDNN adds in another order with other instructions: what is called equal bit for bit is so under each, or measured.
test-cpus: .venv/test.stamp
	env -u ONEDNN_MAX_CPU_ISA $(MAKE) test
	ONEDNN_MAX_CPU_ISA=AVX2 $(MAKE) test
	ONEDNN_MAX_CPU_ISA=SSE41 $(MAKE) test

applications: .venv/test.stamp
	$(BIN)/python -m pytest tests/applications -m "applications or keras" --timeout 3600

keras2: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[keras2]'
	$(BIN)/python -m pytest tests/keras2 -m keras2 -n $(PYTEST_WORKERS) --dist loadfile

# The tests that need it say so and are skipped without it: make test fetches nothing from npm.
language-server: .venv/test.stamp
	SURGERY_NPM=1 $(BIN)/python -m pytest tests/recipe/test_language_server.py

clean:
	rm -rf .venv docs/_build recipes/*/build
