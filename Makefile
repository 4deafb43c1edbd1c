# The two commands of the README are `make demo` and `make test`; each sets everything up by itself.
BIN := .venv/bin
.PHONY: demo studio screenshots test lint types imports tests bench setup setup-test setup-studio setup-pictures schema constraints clean

demo: setup
	$(BIN)/ossicle run demo

studio: setup-studio
	$(BIN)/ossicle studio

# The README's pictures, from the shipped projects.
screenshots: setup-pictures
	sh resources/images/screenshots.sh

setup-studio:
	@sh resources/setup/setup.sh studio

setup-pictures:
	@sh resources/setup/setup.sh pictures

setup:
	@sh resources/setup/setup.sh demo

setup-test:
	@sh resources/setup/setup.sh test

test: setup-test lint types imports tests

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-test
	$(BIN)/mypy

imports: setup-test
	$(BIN)/lint-imports

# Windows are tested in processes of their own.
PYTEST = $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile
tests: setup-test
	$(PYTEST) --ignore tests/studio
	$(PYTEST) tests/studio

# Every benchmark that ends within an hour, one JSON object each; fails if an aim is not met. DATA is the Speech Commands
# archive to train on. The long ones: `ossicle bench accuracy` (five contests), `inference`, `distill`, `nas`.
DATA ?= ../shared/data/speech_commands_subset.tar.gz
bench: setup-test
	@failed=0; for name in start engine features ingest train editor firmware hub; do $(BIN)/ossicle bench $$name --json || failed=1; done; \
	$(BIN)/ossicle bench accuracy --option contests=modern --option data=$(DATA) --json || failed=1; exit $$failed

# After a deliberate change of the file format.
schema: setup
	$(BIN)/python -c "import json; from engine.workflow import schema; print(json.dumps(schema(), indent=2))" > resources/schemas/workflow.schema.json

# After a deliberate change of the dependencies: what the present .venv holds becomes the pins.
constraints:
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > resources/setup/constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
