"""One HTML page that needs no network, and LaTeX tables: what stands on them here, how it looks in the templates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from placewise.benchmarks.report.inline import inline
from placewise.models.errors import PlacewiseError

HERE = Path(__file__).parent
#: What LaTeX takes for a command.
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {sign: rf"\{sign}" for sign in "&%$#_{}"}


@dataclass
class Page:
    """A page as it grows: blocks, each drawn by the template's macro of its kind, which escapes every text."""

    blocks: list[dict[str, Any]] = field(default_factory=list)

    def heading(self, level: int, text: str) -> None:
        """Add a heading."""
        self.blocks.append({"kind": "heading", "level": level, "text": text})

    def paragraph(self, text: str, style: str = "") -> None:
        """Add a paragraph."""
        self.blocks.append({"kind": "paragraph", "text": text, "style": style})

    def table(self, columns: list[str], lines: list[list[Any]], style: str = "") -> None:
        """Add a table that sorts by a click; a cell may be (text, style)."""
        texts = [n for n in range(len(columns)) if all(isinstance(_text(line[n]), str) for line in lines)]
        cells = [[_cell(value) for value in line] for line in lines]
        self.blocks.append(
            {"kind": "table", "columns": columns, "lines": cells, "texts": texts, "style": style}
        )

    def figures(self, drawings: list[tuple[Any, str]], *, wide: bool = False) -> None:
        """Add pictures with captions side by side."""
        items = [(caption, inline(drawing, caption)) for drawing, caption in drawings]
        self.blocks.append({"kind": "figures", "items": items, "wide": wide})

    def html(self, title: str) -> str:
        """Return the whole page."""
        style, *scripts = (
            (HERE / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js", "pictures.js")
        )
        page: str = template("page.html.jinja").render(
            title=title, blocks=self.blocks, style=style, scripts=scripts
        )
        return page


@cache
def template(name: str) -> Any:
    """Return a template of this folder.

    Raises
    ------
    PlacewiseError
        When Jinja is not installed.
    """
    if find_spec("jinja2") is None:
        raise PlacewiseError("reports need Jinja: pip install 'placewise[report]'")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(("html.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["latex"] = latex
    return environment.get_template(name)


def latex(value: Any) -> str:
    """Return a cell as LaTeX text: a dash for nothing, four digits of a number."""
    return re.sub(r"[\\~^&%$#_{}]", lambda found: LATEX[found[0]], _cell(value)["text"])


def _text(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _cell(value: Any) -> dict[str, str]:
    content, style = value if isinstance(value, tuple) else (value, "")
    order = repr(content) if isinstance(content, int | float) else ""
    text = "-" if content is None else f"{content:.4g}" if isinstance(content, float) else str(content)
    return {"text": text, "style": style, "order": order}
