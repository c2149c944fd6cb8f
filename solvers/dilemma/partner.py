"""The tree of visits in a process of its own, beside the passes of the one that has it: each tells the other what is better.

Passes prove more where links are slow, the tree where they are fast, and neither waits for the other. Only a worker is forked: it
is a process for one solve, and what is left of the fork ends with it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from typing import TYPE_CHECKING, Any, NamedTuple

from placewise.solvers.execution.context import Context
from placewise.solvers.execution.processes import can_see_children, is_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from placewise.models.dilemma.placement import Placement
    from placewise.solvers.dilemma.search import Search


class News(NamedTuple):
    """What one side has found.

    Parameters
    ----------
    placement : tuple of (int, int) or None
        A better one.
    bound_s : float or None
        A better dual bound, in seconds.
    """

    placement: Placement | None
    bound_s: float | None


class Partner:
    """The other process, from either side.

    Parameters
    ----------
    pipe : Connection
        To it and from it.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.gone = self._hearing = False

    def say(self, placement: Placement | None = None, bound_s: float | None = None) -> None:
        """Tell it what is better than before, unless it was the one who said so.

        Parameters
        ----------
        placement : tuple of (int, int), optional
            Server and width of each layer.
        bound_s : float, optional
            What no placement can beat, in seconds.
        """
        if not self._hearing:
            with contextlib.suppress(OSError):  # it has ended: that is heard
                self._pipe.send(News(placement, bound_s))

    def hear(self, take: Callable[[News], None], wait_s: float = 0.0) -> None:
        """Take what it has said.

        Parameters
        ----------
        take : callable
            Is given each `News`.
        wait_s : float
            Seconds to wait for the first.
        """
        self._hearing = True
        try:
            while not self.gone and self._pipe.poll(wait_s):
                wait_s = 0.0
                take(self._pipe.recv())
        except (EOFError, OSError):
            self.gone = True
        finally:
            self._hearing = False


def can_have_partner() -> bool:
    """Whether this process is a worker, on a system where its forks are found whatever happens."""
    return is_worker() and can_see_children()


@contextlib.contextmanager
def partner_beside(search: Search) -> Iterator[None]:
    """Let another process go on with the tree of a search.

    Parameters
    ----------
    search : Search
        That has a placement; it hears what the other finds as long as this lasts.
    """
    fork: Any = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_grow, args=(search, theirs), daemon=True)
    process.start()
    theirs.close()
    search.partner = Partner(ours)
    try:
        yield
    finally:
        process.kill()
        process.join()
        search.partner = None
        ours.close()


def _grow(search: Search, pipe: Connection) -> None:
    """Be the other process: the tree, as long as it may prove something."""
    search.partner = Partner(pipe)
    parameters = search.context.parameters
    search.context = Context(parameters, started=search.context.started)
    search.by_tree()
