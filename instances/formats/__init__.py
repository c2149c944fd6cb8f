"""One file per family of problems: how its instance file is declared, built and written."""
