"""The API pages, rendered from the docstrings: ``python docs/build_api.py`` writes them to ``docs/api``."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pdoc

ROOMS = ["models", "solvers", "instances"]
TARGET = Path(__file__).parent / "api"


def show_modules(package: str, names: list[str] | None = None) -> None:
    """Have pdoc show a package's modules too: it follows ``__all__``, which lists what a package exports."""
    home = import_module(package)
    for found in iter_modules(home.__path__):
        if names is not None and found.name not in names:
            continue
        if hasattr(home, "__all__") and found.name not in home.__all__:
            home.__all__.append(found.name)
        if found.ispkg:
            show_modules(f"{package}.{found.name}")


if __name__ == "__main__":
    show_modules("placewise", ROOMS)
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc("placewise", output_directory=TARGET)
    print(f"{sum(1 for _ in TARGET.rglob('*.html'))} pages in {TARGET}")
