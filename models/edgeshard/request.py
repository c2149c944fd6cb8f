"""A request: a prompt that is read in one pass, and tokens that are generated one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from placewise.models.errors import InstanceError
from placewise.models.workload import count

#: What a request's cost may be: one decode round, the prefill pass, or all passes.
COUNTS = ("decode", "prefill", "request")
MOST_TOKENS = 2**30


@dataclass(frozen=True)
class Request:
    """Prompt and answer of each sequence, and which of its passes the objective counts.

    Parameters
    ----------
    prompt_tokens : int
        Read at once by the prefill pass, which yields the first token.
    new_tokens : int
        Generated, the first one by the prefill pass, each other by a decode round.
    counts : str
        ``decode``: one decode round (the time per token); ``prefill``: the prefill pass (the time to the first token);
        ``request``: the prefill pass and all decode rounds, together for latency, per generated token in a pipeline.

    Raises
    ------
    InstanceError
        On a number below 1 or an unknown word.
    """

    prompt_tokens: int
    new_tokens: int
    counts: str = "decode"

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "new_tokens"):
            value: Any = count(getattr(self, name), f"request.{name}")
            if not 1 <= value <= MOST_TOKENS:
                raise InstanceError(f"request.{name}", f"expected 1 to {MOST_TOKENS}, found {value}")
            object.__setattr__(self, name, value)
        if self.counts not in COUNTS:
            raise InstanceError(
                "request.counts", f"expected one of {', '.join(COUNTS)}, found {self.counts!r}"
            )
