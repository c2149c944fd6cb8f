"""A placement over its network as a file: SVG, PNG or PDF for a slide, or one HTML page with its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.benchmarks import pictures
from placewise.benchmarks.drawings.registry import picture_of
from placewise.benchmarks.report.charts import device_graph
from placewise.benchmarks.report.html import Page
from placewise.instances.files import write_text
from placewise.models.errors import PlacewiseError
from placewise.solvers.evidence.shown import duration, percent

if TYPE_CHECKING:
    from placewise.solvers.evidence.result import VerifiedResult

FORMATS = (".html", *pictures.FORMATS)


def require_format(target: str) -> None:
    """Check the suffix before hours of work; `PlacewiseError` where it is no format.

    Parameters
    ----------
    target : str
        A file's name.
    """
    if Path(target).suffix not in FORMATS:
        raise PlacewiseError(f"{target}: expected a name that ends with {', '.join(FORMATS)}")


def network(result: VerifiedResult) -> Any:
    """Return a Matplotlib figure: devices on a circle, what each hosts, arrows for what is sent.

    Parameters
    ----------
    result : VerifiedResult
        With a placement.
    """
    instance = result.instance
    return device_graph(
        instance.cluster.device_names, *picture_of(instance).graph(instance, result.placement)
    )


def _verdict(result: VerifiedResult) -> str:
    bound = "no bound" if result.dual_bound is None else f"bound {duration(result.dual_bound)}"
    gap = percent(result.relative_gap)
    return f"{result.status.value} {duration(result.objective)}, {bound}, gap {gap}"


def save(result: VerifiedResult, target: str) -> None:
    """Write a placement's picture in the format of the suffix.

    Parameters
    ----------
    result : VerifiedResult
        With a placement.
    target : str
        A file's name; with ``.html`` a page that needs no network, with the picture and the terms.
    """
    drawing = network(result)
    if Path(target).suffix != ".html":
        drawing.suptitle(pictures.plain(f"{result.instance.name}: {_verdict(result)}"), fontsize=9)
        pictures.save(drawing, target)
        return
    page = Page()
    page.heading(1, result.instance.name)
    page.paragraph(_verdict(result))
    page.figures([(drawing, "Devices, what each hosts, and what is sent")], wide=True)
    page.table(["term", "value"], [[name, duration(value)] for name, value in result.terms.items() if value])
    page.paragraph(f"method {result.method} ({result.guarantee.value})", "dim")
    write_text(target, page.html(result.instance.name))
