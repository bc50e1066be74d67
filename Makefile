PYTHON ?= python3
BIN := .venv/bin
SIDE_BY_SIDE := -n auto --dist worksteal
READY := .venv/ready
# For `make evals`: this one knows the tasks.
AGENT := $(CURDIR)/$(BIN)/python $(CURDIR)/tests/evals/reference_agent.py

SITE := $(BIN)/python -m sphinx -q -E -W --keep-going -d build/doctrees docs build/site

.DEFAULT_GOAL := help
.PHONY: help setup demo studio test check format script docs site fuzz injection kills notebook litellm cluster bench evals dist clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with everything for work on the project (Python 3.10 or newer)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'make: $(PYTHON) must be Python 3.10 or newer; name another: make PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup  ## Generate and edit a picture with the script, against the offline sandbox
	@PYTHON=$(PYTHON) $(BIN)/python tools/demo.py

studio: setup  ## Open the studio in the browser, against the offline sandbox; its pictures go to demo/studio
	@mkdir -p demo/studio
	XDG_STATE_HOME=$(CURDIR)/demo/state $(BIN)/gpt-image2 studio --sandbox --output-dir demo/studio

test: setup  ## Run every test; those of core on Python 3.8 and on the newest one found
	@status=0; \
	$(BIN)/python -m pytest tests --ignore=tests/core $(SIDE_BY_SIDE) || status=1; \
	$(BIN)/python tools/test_matrix.py || status=1; \
	exit $$status

check: setup  ## Lint, check formatting, types and the order of imports, and that all that is generated is fresh
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/python tools/public_types.py
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python tools/check_page.py
	$(BIN)/python tools/amalgamate.py --check
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/python tools/shell_files.py --check
	$(SITE)

format: setup  ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

script: setup  ## Rebuild skills/gpt-image-2/scripts/gpt_image2.py from src/gpt_image2/core
	$(BIN)/python tools/amalgamate.py

docs: setup  ## Rebuild the generated docs, completions and man page
	$(BIN)/python tools/generate_docs.py
	$(BIN)/python tools/shell_files.py

site: setup  ## Build the documentation as pages, in build/site
	$(SITE)

fuzz: setup  ## Run the property tests of core for longer
	HYPOTHESIS_PROFILE=fuzz GPT_IMAGE2_SANDBOX_PYTHON=$(CURDIR)/$(BIN)/python \
	  $(BIN)/python -m pytest tests/core -k property $(SIDE_BY_SIDE) --timeout 7200

injection: setup  ## Break what runs once a request has left at every line, not at some
	$(BIN)/python -m pytest tests/core --full -k a_defect $(SIDE_BY_SIDE) --timeout 7200

kills: setup  ## Kill the script before every effect on the disk, and at more moments
	$(BIN)/python -m pytest tests/core --full -k kill $(SIDE_BY_SIDE) --timeout 7200

notebook: setup  ## Run the notebook of the examples in Jupyter
	$(BIN)/python -m pip install --quiet --editable '.[notebook]'
	$(BIN)/python -m pytest tests/examples --full -k notebook

litellm: setup  ## Drive a real LiteLLM proxy, the newest, in front of the sandbox
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-litellm
	$(BIN)/uv pip install --quiet --upgrade --python .venv-litellm 'litellm[proxy]'
	LITELLM=$(CURDIR)/.venv-litellm/bin/litellm $(BIN)/python -m pytest tests/interop/test_litellm.py

cluster: setup  ## Run batches beyond one machine on the newest Ray and Daft, and the model of claims for longer
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-cluster
	$(BIN)/uv pip install --quiet --upgrade --python .venv-cluster --editable '.[ray,daft,sandbox,test-core]' 'moto[s3]' flask flask-cors waitress
	.venv-cluster/bin/python -m pytest tests/cluster --full --timeout 900

bench: setup  ## Measure side by side with others; QUICK=1 for a first look (bench/RESULTS.md)
	$(BIN)/python -m bench $(if $(QUICK),--quick)
	$(BIN)/python tools/generate_docs.py

evals: setup  ## Let AGENT='a command' at the tasks of real users, and judge it (evals/README.md)
	$(BIN)/python -m evals --agent '$(subst ','\'',$(value AGENT))' $(if $(ONLY),--only $(ONLY))

dist: setup  ## Build wheel, sdist and the skill's zip in dist/, and try them on every Python found
	$(BIN)/python tools/dist.py
	$(BIN)/python tools/try_dist.py

clean:  ## Remove environments, caches and demo pictures
	rm -rf .venv .venv-* bench/.cache evals/.runs tests/.npm demo build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
