"""What the instances of all problems share: equality by value, a short repr, and the arguments of version 0.1."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from placewise.models.errors import InstanceError
from placewise.models.values import ByValue


class _WithOldArguments(type):
    """Calls a class of instances also as in version 0.1: name and problem first, or ``problem=...``.

    Kept for one version. `dataclasses.replace(instance, problem=...)` comes here too.
    """

    if not TYPE_CHECKING:  # type checkers see the constructors

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if args and isinstance(args[0], str):
                kwargs |= dict(zip(cls.old_arguments, args, strict=False))
                args = ()
            kind = cls._of_problem(kwargs.pop("problem")) if "problem" in kwargs else cls
            if "problem" not in vars(kind):
                names = " or ".join(known.__name__ for known in cls.kinds.values())
                raise InstanceError("problem", f"expected {names} instead of {cls.__name__}")
            return type.__call__(kind, *args, **kwargs)

        def _of_problem(cls, problem: Any) -> type:
            kinds = cls.kinds
            if not isinstance(problem, str) or problem not in kinds:
                raise InstanceError("problem", f"expected {' or '.join(kinds)}, found {problem!r}")
            kind = kinds[problem]
            warnings.warn(
                f"problem={problem!r}: {kind.__name__}(...) says it", DeprecationWarning, stacklevel=3
            )
            return kind


class BaseInstance(ByValue, metaclass=_WithOldArguments):
    """Base of all instances: a frozen dataclass per problem, equal where all its values are.

    A subclass states its `problem`; a family of problems with the same data has a base of its own that states none.
    """

    name: str
    #: Key in `placewise.models.registry.PROBLEMS`.
    problem: ClassVar[str]
    #: The classes of the family by problem.
    kinds: ClassVar[dict[str, type[BaseInstance]]]
    #: Arguments in the order of version 0.1.
    old_arguments: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if BaseInstance in cls.__bases__:
            cls.kinds = {}
        if "problem" in vars(cls):
            cls.kinds[cls.problem] = cls

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self._sizes()})"

    def _sizes(self) -> str:
        """Return the counts that tell instances apart, for `repr`."""
        raise NotImplementedError
