"""Where the package keeps its data files."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
