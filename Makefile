# Everything a newcomer needs: `make demo` and `make test`. Each sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test lint docs notebooks aws-env debian clean

demo: $(INSTALLED)  ## train a digit classifier on this machine
	$(BIN)/glaunch run mnist_mlp

test: $(INSTALLED) aws-env  ## the whole test suite
	$(BIN)/python -m pytest -n 3 --dist worksteal $(PYTEST_ARGUMENTS)

lint: $(INSTALLED)  ## ruff on everything, mypy --strict on launcher and infra, cfn-lint on the stack
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint --include-checks I -- infra/stack.yaml

docs: $(INSTALLED)  ## the pages that are made from the code
	$(BIN)/python docs/make_entry_points_page.py

notebooks: $(INSTALLED)  ## the labs, executed on the samples; NOTEBOOKS="01_first_network ..." for some
	$(BIN)/python notebooks/make.py $(NOTEBOOKS)

aws-env:  ## Python 3.8 as in AWS's image, for the tests that compare with it (.venv-aws)
	sh tests/make_aws_env

debian:  ## the Debian packages that some tests and benchmarks use; needs root
	sh tests/install_debian_packages

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12) and "Python 3.9 to 3.12 is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[lint,samples,test]'
	touch $@

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-aws *.egg-info
