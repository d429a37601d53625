PYTHON ?= python3
CORES ?= 8
# The user's caches; without a home that can be written to they are in the clone.
CACHE := $(shell cache="$${XDG_CACHE_HOME:-$${HOME:+$$HOME/.cache}}"; [ -n "$$cache" ] && mkdir -p "$$cache" 2>/dev/null && \
  [ -w "$$cache" ] && echo "$$cache" || echo "$$PWD/.cache")
ifeq ($(CACHE),$(CURDIR)/.cache)
export XDG_CACHE_HOME := $(CACHE)
export MPLCONFIGDIR := $(CACHE)/matplotlib
endif
# Snakemake starts jobs by a shell line that does not quote the path of Python. So in a clone whose path has letters that
# a shell or make reads in its own way, the environment is among the caches.
VENV := $(shell for folder in "$$PWD/.venv" '$(subst ','\'',$(CACHE))/morse/'"$$(printf %s "$$PWD" | cksum | tr ' ' -)"; do \
  [ -n "$$(printf %s "$$folder" | LC_ALL=C tr -d '[:alnum:]\200-\377/._+,=@~-')" ] || { echo "$$folder"; break; }; done)
ifneq ($(words $(VENV)),1)
$(error The path of the environment can have no spaces, quotes or other letters that a shell reads in its own way; \
  name a folder for it, as in: make VENV=/tmp/morse-venv all)
endif
INSTALLED := $(VENV)/installed
# Programs are run by Python: the first line of a script holds no path with spaces, and no long one.
RUN := $(VENV)/bin/python -m
# Whatever the locale, so that no name of a file is too much for a terminal.
export PYTHONUTF8 := 1
# The first would lead the environment's Python to the library of another one. The second may make errors of warnings
# in Snakemake and torch.
unexport PYTHONHOME PYTHONWARNINGS

.PHONY: all test benchmark zoo unlock clean

# The whole benchmark: tables, figures, notebooks and the report.
all: $(INSTALLED)
	$(RUN) snakemake --cores $(CORES) all || { $(LOCKED); exit 1; }
	$(RUN) snakemake --report results/report.zip

# Style, workflow lint and the tests, these on one thread each: the networks are so small that threads wait for each
# other. Tests that run a workflow run alone.
test: $(INSTALLED)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow/rules
	$(RUN) snakemake --lint
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 -m "not slow"
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadfile -m slow

# Timings of the library's own hot paths.
benchmark: $(INSTALLED)
	$(RUN) pytest tests/benchmarks

# Trains the mini zoo's weights again.
zoo: $(INSTALLED)
	$(RUN) snakemake --cores $(CORES) zoo || { $(LOCKED); exit 1; }

# After a kill -9, which leaves Snakemake's lock. The next `make all` goes on.
unlock: $(INSTALLED)
	$(RUN) snakemake --unlock

# A run that ends by itself, with an error too, removes its lock.
LOCKED = ! ls -A .snakemake/locks 2>/dev/null | grep -q . || echo "This folder is locked. If no other run is going on here," \
  "one was killed: run 'make unlock', then the same command again." >&2

# Removes what the workflow made. results/reference is kept, as the workflow does not make it.
clean:
	[ ! -d results ] || find results -mindepth 1 -maxdepth 1 ! -name reference ! -name 'README*' -exec rm -rf {} +

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "morse needs Python 3.11, 3.12 or 3.13 with venv (Debian: python3-venv), as in 'make PYTHON=python3.11';" \
	    "$(PYTHON) is: $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	touch $@
