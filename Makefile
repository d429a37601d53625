PYTHON ?= python3
CORES ?= 8
VENV := .venv
INSTALLED := $(VENV)/installed
# So that rules that call a program by its name, such as papermill, find the environment's.
ACTIVATE := . $(VENV)/bin/activate &&

.PHONY: all test benchmark zoo clean

# The whole benchmark: tables, figures, notebooks and the report.
all: $(INSTALLED)
	$(ACTIVATE) snakemake --cores $(CORES) all
	$(ACTIVATE) snakemake --report results/report.zip

# Style, workflow lint and the tests, these on one thread: the networks are so small that threads wait for each other.
test: $(INSTALLED)
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) snakefmt --check Snakefile workflow/rules
	$(ACTIVATE) snakemake --lint
	$(ACTIVATE) OMP_NUM_THREADS=1 pytest

# Timings of the library's own hot paths.
benchmark: $(INSTALLED)
	$(ACTIVATE) pytest tests/benchmarks

# Trains the mini zoo's weights again.
zoo: $(INSTALLED)
	$(ACTIVATE) snakemake --cores $(CORES) zoo

# Removes what the workflow made. results/reference is kept, as the workflow does not make it.
clean:
	[ ! -d results ] || find results -mindepth 1 -maxdepth 1 ! -name reference ! -name 'README*' -exec rm -rf {} +

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "morse needs Python 3.11, 3.12 or 3.13 with venv (Debian: python3-venv), as in 'make PYTHON=python3.11';" \
	    "$(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@
