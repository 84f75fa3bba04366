# `make run` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
EXTRAS := dev
BIN := $(VENV)/bin

.PHONY: run test lint docs clean

run: $(VENV)/installed
	$(BIN)/artgraph run graphs/style_remix.yaml

test: $(VENV)/installed-$(EXTRAS)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --dist worksteal
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --dist worksteal --stand-in-gpu

lint: $(VENV)/installed-$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .typing && ln -sfn .. .typing/artgraph
	$(BIN)/mypy

docs: $(VENV)/installed-$(EXTRAS)
	$(BIN)/artgraph nodes --markdown > docs/reference.new
	mv docs/reference.new docs/reference.md
	$(BIN)/python -m artgraph.editors.comfy.build_pack
	$(BIN)/python tests/support/record_versions.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-$(EXTRAS): $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) .typing out build *.egg-info
