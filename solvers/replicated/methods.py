"""The methods of replicated throughput; the first of the table is exact."""

from __future__ import annotations

from typing import Any

from placewise.solvers.execution.method import Algorithm

REPLICATED_METHODS: tuple[Algorithm[Any], ...] = ()
