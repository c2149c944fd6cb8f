"""Which tensors a list of modules means: parts of names, whole names, or patterns (``re:.*lm_head``).

Patterns come from files that others wrote: only those that end soon on any name are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError

#: Literal characters, escaped dots and digits, alternatives; repeated may be any character, digits and classes.
SIMPLE = re.compile(r"(?:[\w\-$^|()]|\\[.dw]|\.|\[[\w\-^]+\]|(?<=[.\]dw])[*+])*")
MOST_REPEATS, MOST_CHARACTERS, MOST_NAMES = 3, 200, 4096


@dataclass(frozen=True)
class Modules:
    """A choice of modules; without names, all.

    Parameters
    ----------
    names : tuple of str or None
        What was listed; None = all modules.
    exact : bool
        Whether whole names count, not parts of them.
    """

    names: tuple[str, ...] | None = None
    exact: bool = False

    def name(self, tensor: str) -> bool:
        """Whether a tensor belongs to one of the modules."""
        if self.names is None:
            return True
        module = tensor.replace("*", "0").removesuffix(".weight")
        return any(self._is(listed, module) for listed in self.names)

    def _is(self, listed: str, module: str) -> bool:
        if listed.startswith("re:"):
            return bool(_pattern(listed[3:]).match(module))
        if self.exact:
            return module == listed
        return listed in module


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def listed(names: object, path: str, *, exact: bool = False) -> Modules:
    """Return the modules of a list in a file; none where nothing is listed.

    Parameters
    ----------
    names : object
        What stands there.
    path : str
        Where, for errors.
    exact : bool
        Whether whole names are meant, not parts.

    Raises
    ------
    InstanceError
        Where it is no list of names, or a pattern may take for ever.
    """
    if names is None:
        return Modules(())
    if (
        not isinstance(names, list)
        or len(names) > MOST_NAMES
        or not all(isinstance(n, str) and n for n in names)
    ):
        raise InstanceError(path, f"expected a list of modules, found {short(names)}")
    for number, name in enumerate(names):
        if name.startswith("re:"):
            _check(name[3:], f"{path}[{number}]")
    return Modules(tuple(names), exact)


def _check(text: str, path: str) -> None:
    repeats = text.count("*") + text.count("+")
    if len(text) > MOST_CHARACTERS or repeats > MOST_REPEATS or not SIMPLE.fullmatch(text):
        raise InstanceError(
            path, f"expected a plain pattern with up to {MOST_REPEATS} repeats, found {short(text)}"
        )
    try:
        _pattern(text)
    except re.error as error:
        raise InstanceError(path, f"expected a pattern: {error}") from None
