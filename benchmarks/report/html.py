"""One HTML page that needs no network: headings, tables, pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from placewise.benchmarks.pictures import rendered


@dataclass
class Page:
    """HTML as it grows; every text that goes in is escaped here."""

    parts: list[str] = field(default_factory=list)

    def heading(self, level: int, text: str) -> None:
        """Add a heading."""
        self.parts.append(f"<h{level}>{escape(text)}</h{level}>")

    def paragraph(self, text: str, style: str = "") -> None:
        """Add a paragraph."""
        self.parts.append(f'<p class="{style}">{escape(text)}</p>')

    def table(self, columns: list[str], lines: list[list[Any]]) -> None:
        """Add a table; a cell may be (text, style)."""
        texts = [n for n in range(len(columns)) if all(isinstance(_text(line[n]), str) for line in lines)]
        head = "".join(_cell("th", name, n in texts) for n, name in enumerate(columns))
        body = "".join(
            "<tr>" + "".join(_cell("td", value, n in texts) for n, value in enumerate(line)) + "</tr>"
            for line in lines
        )
        self.parts.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def figures(self, drawings: list[tuple[Any, str]], *, wide: bool = False) -> None:
        """Add pictures with captions side by side."""
        items = "".join(
            f'<figure class="{"wide" if wide else ""}"><img alt="{escape(caption)}" src="{_embedded(drawing)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for drawing, caption in drawings
        )
        self.parts.append(f'<div class="figures">{items}</div>')

    def html(self, title: str) -> str:
        """Return the whole page."""
        style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="icon" href="data:,">'
            f"<title>{escape(title)}</title><style>{style}</style></head><body>\n"
            + "\n".join(self.parts)
            + "\n</body></html>\n"
        )


def _text(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _cell(tag: str, value: Any, text: bool) -> str:
    content, style = value if isinstance(value, tuple) else (value, "")
    if content is None:
        content = "-"
    elif isinstance(content, float):
        content = f"{content:.4g}"
    classes = " ".join(filter(None, (style, "text" if text else "")))
    return f'<{tag} class="{classes}">{escape(str(content))}</{tag}>'


def _embedded(drawing: Any) -> str:
    """Return a figure as a picture inside the page; an empty one where Matplotlib overflows."""
    try:
        content = rendered(drawing, "svg")
    except (ArithmeticError, ValueError):  # times of 1e308 s
        content = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
