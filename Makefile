# `make book` and `make test` do all their own setting up. `make help` lists the rest.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: help book test test-everywhere notebooks serve lab clean

help:
	@echo "make book             build the book into _build/html"
	@echo "make test             check everything; the last line counts passed and failed"
	@echo "make test-everywhere  the notebooks with one thread, with two, and as an old CPU would"
	@echo "make notebooks        run every notebook anew and store its outputs"
	@echo "make serve            build the book and show it at http://localhost:8000"
	@echo "make lab              open the notebooks in JupyterLab"
	@echo "make clean            remove what was built (.venv stays)"

# The stamp is newer than both files as long as the environment is what they ask for.
.venv/.done: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e ".[book,test]"
	@touch $@

# Built from nothing: else a page that is gone stays, and a changed style sheet is not copied.
book: .venv/.done
	@rm -rf _build
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at $(CURDIR)/_build/html/index.html"

test: .venv/.done
	@$(BIN)/python tools/test.py

test-everywhere: .venv/.done
	@$(BIN)/python tools/test.py everywhere

notebooks: .venv/.done
	@$(BIN)/python tools/notebooks.py

serve: book
	$(BIN)/python -m http.server --directory _build/html 8000

lab: .venv/.done
	$(BIN)/jupyter lab

clean:
	rm -rf _build .pytest_cache .ruff_cache .coverage
