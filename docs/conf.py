"""The documentation site: ``sphinx-build docs build/site``; nothing is fetched when it is read.

Pages are Markdown that reads on its own too. What follows from the code is made when the site is built: the API from docstrings,
the methods and their sources from the modules that hold them, pictures and notebooks by running them.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from typing import Any

import latex2mathml.converter
from docutils import nodes

import placewise
from placewise.models.registry import PROBLEMS
from placewise.solvers.algorithms import algorithms_of

HERE = Path(__file__).parent
#: Written when the site is built, not committed.
MADE = HERE / "made"
ROOMS = ("models", "instances", "solvers", "benchmarks")

project = "placewise"
version = release = placewise.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["jupyter_execute"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
suppress_warnings = ["ref.python"]  # two classes may have one name

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_mock_imports = ["cosmic_ray", "parso", "gurobipy", "dask", "distributed"]
autodoc_typehints = "none"  # docstrings state types, shapes and units
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"placewise {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = html_show_copyright = False
html_copy_source = False
html_math_renderer = "mathml"


def math_block(translator: Any, node: nodes.math_block) -> None:
    """Write an equation as MathML, which browsers draw by themselves."""
    translator.body.append(f'<div class="equation">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def math_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line as MathML."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def mathml(latex: str, display: str) -> str:
    """Return LaTeX as MathML."""
    # Braces below and above grow with what they hold.
    return latex2mathml.converter.convert(latex, display=display).replace(
        "<mo>&#x023DF;</mo>", '<mo stretchy="true">&#x023DF;</mo>'
    )


def methods_page(problem: str) -> str:
    """Return what a problem's own methods do, in their modules' words."""
    lines = [f"# {problem}", "", PROBLEMS[problem].title, ""]
    told: set[str] = set()
    for method in algorithms_of(problem):
        module = inspect.unwrap(method.run).__module__
        text = inspect.getdoc(import_module(module)) or ""
        lines += [f"## `{method.name}`", "", f"{method.summary[0].upper()}{method.summary[1:]}.", ""]
        if module not in told:
            told.add(module)
            lines += ["```{eval-rst}", text, "```", ""]
        lines += [f"Code: {{py:mod}}`{module}`", ""]
    return "\n".join(lines)


def api_pages() -> dict[str, str]:
    """Return a page of what `placewise` exports, and one per package with its modules."""
    lines = [
        "# API",
        "",
        "What `import placewise` offers, and every module, by package. Docstrings state shapes and units.",
        "",
    ]
    lines += ["| `placewise` | |", "|---|---|"]
    for name in sorted(placewise.__all__, key=str.lower):
        found = getattr(placewise, name)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        first = (inspect.getdoc(found) or "").partition("\n")[0].replace("|", "\\|")
        lines.append(f"| {{py:obj}}`{name} <{found.__module__}.{found.__qualname__}>` | {first} |")
    pages = {}
    packages = ["placewise.testing", *(f"placewise.{room}" for room in ROOMS)]
    packages += [
        each.name
        for room in ROOMS
        for each in walk_packages(import_module(f"placewise.{room}").__path__, f"placewise.{room}.")
        if each.ispkg
    ]
    lines += ["", "```{toctree}", ":hidden:", ""]
    for package in sorted(packages):
        home = import_module(package)
        modules = [package]
        modules += [
            f"{package}.{each.name}"
            for each in iter_modules(getattr(home, "__path__", []))
            if not each.ispkg and each.name != "__main__"
        ]
        text = [f"# {package}", ""]
        for module in modules:
            text += [] if module == package else [f"## {module.removeprefix(f'{package}.')}", ""]
            text += [
                "```{eval-rst}",
                f".. automodule:: {module}",
                "   :members:",
                "   :ignore-module-all:",
                "```",
                "",
            ]
        pages[f"{package}.md"] = "\n".join(text)
        lines.append(package)
    pages["api.md"] = "\n".join([*lines, "```", ""])
    return pages


def write_pages(_: Any) -> None:
    """Write the pages that follow from the code."""
    MADE.mkdir(exist_ok=True)
    pages = {f"methods-{problem}.md": methods_page(problem) for problem in PROBLEMS} | api_pages()
    for name, text in pages.items():
        (MADE / name).write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Connect what this file makes."""
    sys.setrecursionlimit(5000)
    app.add_html_math_renderer("mathml", (math_inline, None), (math_block, None))
    app.connect("builder-inited", write_pages, priority=100)
