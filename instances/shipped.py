"""The instances that come with the package."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
PROBLEM_FOLDERS = ("edgeshard", "dilemma", "head_migration")


def shipped_instances() -> dict[str, Path]:
    """Return the file of each shipped instance by name, in alphabetical order."""
    files = (path for folder in PROBLEM_FOLDERS for path in (DATA / folder).glob("*.json"))
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def shipped_path(name: str) -> Path | None:
    """Return the file of a shipped instance, or None."""
    return shipped_instances().get(name)
