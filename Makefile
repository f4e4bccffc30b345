# make run     the complete portal on this machine; ARGS="--help" shows the options, PORT=8001 moves it
# make test    every test, in an order of chance; SEED=7 repeats one. ARGS are pytest's, such as ARGS=tests/homes
# make lint    ruff, mypy, import contracts, migrations, Django's deployment checks
# make bench   throughput beside Prometheus and VictoriaMetrics, latency, bombs and reads; ARGS="--help" shows the options
# make clean   start over: deletes the environment and the demo's data
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) -I xfra_portal/local/bootstrap.py
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest

.PHONY: run test lint bench clean requirements environment environment-dev

run: environment
	@exec $(BIN)/python -m xfra_portal.local $(ARGS)

test: environment-dev
ifneq ($(strip $(ARGS)),)
	@exec $(PYTEST) $(ARGS)
else
	@exec $(BIN)/python -m tests $(if $(SEED),--randomly-seed=$(SEED))
endif

lint: environment-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo "migrations are complete and production's deployment checks pass:"
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: environment-dev
	@exec $(BIN)/python -m bench $(ARGS)

# Throwaway values: nothing listens there, and the checks must not need anything to.
PRODUCTION = XFRA_PROFILE=production \
	SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(60))')" \
	DATABASE_URL=postgres://xfra_app:unused@127.0.0.1:9/xfra \
	DATABASE_OWNER_URL=postgres://xfra_owner:unused@127.0.0.1:9/xfra \
	REDIS_URL=redis://127.0.0.1:9/0 XFRA_STATEMENT_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_hex(32))')" \
	EMAIL_URL=smtp+tls://unused:unused@127.0.0.1:9 DEFAULT_FROM_EMAIL=portal@portal.example \
	XFRA_ORIGIN=https://portal.example

environment:
	@$(BOOTSTRAP) requirements.txt

environment-dev:
	@$(BOOTSTRAP) requirements.txt requirements-dev.txt

requirements: environment-dev
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command "make requirements" -o requirements.txt requirements.in
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command "make requirements" -o requirements-dev.txt requirements-dev.in

# Start over: also deletes .local, which holds the demo's data, but never under a stack that runs.
clean:
	@if [ -e .local/lock ] && command -v flock >/dev/null && ! flock -n .local/lock true; then \
		echo "error: a stack is running on .local; stop it first" >&2; exit 1; fi
	rm -rf .local .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
