# Everything runs in .venv, which scripts/bootstrap makes when it is missing and updates when pyproject.toml is newer.
# Another interpreter: make run PYTHON=/path/to/python3.13

PY := .venv/bin/python

.PHONY: help venv run check test test-all bench format clean

help:
	@echo 'make run       fit the example model by REML and by NUTS, and compare'
	@echo 'make test      style, types, imports, the fast tests, the examples and the notebooks'
	@echo 'make test-all  the same with every test, slow ones too'
	@echo 'make bench     measure speed'
	@echo 'make format    format the code and sort the imports'
	@echo 'make clean     remove caches and build output (.venv stays)'

venv:
	@sh scripts/bootstrap

run: venv
	@$(PY) -m bayesmix

check: venv
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports

test: check
	$(PY) -m pytest -m "not slow"
	$(PY) -m pytest --doctest-modules bayesmix
	$(PY) -m pytest --nbmake notebooks

test-all: check
	$(PY) -m pytest
	$(PY) -m pytest --doctest-modules bayesmix
	$(PY) -m pytest --nbmake notebooks

bench: venv
	@$(PY) -m benchmarks

format: venv
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

clean:
	rm -rf build dist output .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f ./*.nc
	find . -path ./.venv -prune -o -type d \( -name __pycache__ -o -name '*.egg-info' -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
