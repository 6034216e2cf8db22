# `make help` lists the targets. Everything runs inside .venv, which is made when it is missing.
PYTHON ?= python3
OUTPUT_DIR ?= outputs
PORT ?= 5000
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup ablation figures ui mlflow-server test test-slow lint format image-vae clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with odvae and everything it needs

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| (echo "odvae needs Python 3.11 or newer; try: make PYTHON=python3.12 ..." && exit 1)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@

ablation: $(READY) ## The main job: the four variants, tail initialisation
	$(BIN)/python -m odvae.run -m variant=1,2,3,4 init=tail

figures: $(READY) ## Draw figures and tables of logged runs (else recorded ones) into analysis/figures/
	$(BIN)/python -m analysis --output-dir $(OUTPUT_DIR)

ui: $(READY) ## Open MLflow's page on the runs, on http://127.0.0.1:5000; PORT=5001 for another
	@$(BIN)/python -m odvae.page --output-dir "$(OUTPUT_DIR)" --port $(PORT)

mlflow-server: $(READY) ## A light MLflow for several folders, on http://127.0.0.1:5000; PORT=5001 for another
	@mkdir -p mlflow-server
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
		--host 127.0.0.1 --port $(PORT) --workers 1 \
		--backend-store-uri "sqlite:///$(CURDIR)/mlflow-server/mlflow.db" \
		--artifacts-destination "$(CURDIR)/mlflow-server/artifacts"

test: $(READY) ## The default tests, minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(READY) ## The long tests: real trainings, kills in the middle
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image-vae: $(READY) ## Train the bundled image VAE anew: make image-vae CLIPS=folder
	@test -n "$(CLIPS)" || (echo "name the training clips: make image-vae CLIPS=folder" && exit 2)
	$(BIN)/python -m odvae.training.make_image_vae "$(CLIPS)"

clean: ## Remove caches; runs in outputs/ stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
