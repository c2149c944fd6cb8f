"""The mutants of a module: what cosmic-ray makes of it, less what no test of behaviour could notice."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import provider
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Name, Number

if TYPE_CHECKING:
    from collections.abc import Iterator

#: One or two replacements per operator (boundary, negation), not all: Offutt et al. (1996). The others are killed where these are.
REPLACEMENTS = {
    "ReplaceBinaryOperator": (
        "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul "
        "RShift_LShift LShift_RShift BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd"
    ),
    "ReplaceComparisonOperator": (
        "Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is"
    ),
    "ReplaceUnaryOperator": "Delete_USub Delete_Invert Delete_Not",
}
WHOLE = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak ExceptionReplacer NumberReplacer RemoveDecorator ZeroIterationForLoop"
)

#: Functions of numpy and Python that a slip exchanges.
OPPOSITE = {
    "min": "max",
    "minimum": "maximum",
    "argmin": "argmax",
    "any": "all",
    "floor": "ceil",
    "insort_left": "insort_right",
}
OPPOSITE |= {other: name for name, other in OPPOSITE.items()}
#: Decorators that change how fast, or what an assignment to a field does, not what is computed.
HARMLESS_DECORATORS = ("lru_cache", "cache", "dataclass", "abstractmethod", "overload", "override")


class ExchangeName(Operator):  # type: ignore[misc]
    """Exchange a function for its opposite: min for max, any for all."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield where the node can be mutated."""
        if isinstance(node, Name) and node.value in OPPOSITE and not node.is_definition():
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the mutated node."""
        del index
        node.value = OPPOSITE[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return an example."""
        return (Example("x = min(y)", "x = max(y)"),)


class LoosenNumber(Operator):  # type: ignore[misc]
    """Multiply a number below 1, a tolerance, by a thousand; cosmic-ray's own steps of 1 are far too coarse."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield where the node can be mutated."""
        if isinstance(node, Number) and _below_one(node.value):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the mutated node."""
        del index
        node.value = repr(float(node.value) * 1000)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return an example."""
        return (Example("x = 1e-6", "x = 0.001"),)


@dataclass(frozen=True)
class Mutant:
    """One changed place of a module.

    Parameters
    ----------
    module : str
        Path below the repository's root.
    operator : str
        Name of the operator.
    function : str
        The function or class that it stands in; empty at module level.
    old, new : str
        The changed lines before and after, without indentation.
    nth : int
        Which of the mutants that read the same.
    source : str
        The mutated module.
    """

    module: str
    operator: str
    function: str
    old: str
    new: str
    nth: int
    source: str

    @property
    def key(self) -> str:
        """What finds the mutant again after lines moved."""
        again = f" #{self.nth + 1}" if self.nth else ""
        return f"{self.module}: {self.function or '-'}: {self.old} -> {self.new}{again}"


@cache
def operators() -> dict[str, Operator]:
    """Return the operators by name: cosmic-ray's sufficient ones and our two."""
    known = provider.OperatorProvider()
    names = [f"{base}_{pair}" for base, pairs in REPLACEMENTS.items() for pair in pairs.split()]
    chosen = {name: known[name]() for name in (*names, *WHOLE.split())}
    return chosen | {"ExchangeName": ExchangeName(), "LoosenNumber": LoosenNumber()}


@dataclass(frozen=True, eq=False)
class Site:
    """A place of a module with an operator that changes it.

    Parameters
    ----------
    module, source : str
        Path below the repository's root, and its text.
    name : str
        Of the operator.
    occurrence : int
        Which of the operator's places in the module.
    function : str
        The function or class that it stands in; empty at module level.
    line : int
        Where it begins.
    """

    module: str
    source: str
    name: str
    occurrence: int
    function: str
    line: int

    def mutated(self) -> str | None:
        """Return the changed text; None where it is no other program."""
        mutated: str | None = mutate_code(self.source, operators()[self.name], self.occurrence)
        return None if mutated is None or _same(self.source, mutated) else mutated


def sites(
    module: str, source: str, constants: tuple[str, ...] = (), functions: tuple[str, ...] = ()
) -> list[Site]:
    """Return a module's places that can be changed so that a test could notice.

    Parameters
    ----------
    module, source : str
        Path below the repository's root, and its text.
    constants, functions : tuple of str
        Names that are left out: values that only steer speed; what chooses among answers that are all valid.
    """
    tree = get_ast(source)
    found = []
    for name, operator in operators().items():
        nodes = [node for node in ast_nodes(tree) for _ in operator.mutation_positions(node)]
        for occurrence, node in enumerate(nodes):
            function = ASTQuery(node).get_definition_name() or ""
            if function not in functions and not _cannot_matter(node, constants):
                found.append(Site(module, source, name, occurrence, function, node.start_pos[0]))
    return found


def mutant_at(places: list[Site], index: int) -> Mutant | None:
    """Return the mutant of a place, a program that differs there; None where that would be no other program.

    Parameters
    ----------
    places : list of Site
        All of a module.
    index : int
        Which.
    """
    site = places[index]
    mutated = site.mutated()
    if mutated is None:
        return None
    lines, (old, new) = [line.strip() for line in site.source.splitlines()], _changed(site.source, mutated)
    nth = 0
    for other in places[:index]:  # those that read the same begin at a line that reads the same
        if other.function == site.function and lines[other.line - 1] == lines[site.line - 1]:
            text = other.mutated()
            nth += text is not None and _changed(site.source, text) == (old, new)
    return Mutant(site.module, site.name, site.function, old, new, nth, mutated)


def planted(module: str, source: str, changes: list[tuple[str, str]]) -> list[Mutant]:
    """Return mutants that somebody thought of: each text, which must stand in the module once, replaced.

    Raises
    ------
    ValueError
        Where the text is not there: the change is to be planted anew.
    """
    found = []
    for before, after in changes:
        if source.count(before) != 1:
            raise ValueError(f"{module}: expected {before!r} once, found it {source.count(before)} times")
        mutated = source.replace(before, after)
        found.append(Mutant(module, "planted", "planted", *_changed(source, mutated), 0, mutated))
    return found


def _cannot_matter(node: Any, constants: tuple[str, ...]) -> bool:
    """Whether a place is out of reach of tests, by one of these rules.

    Annotations (never evaluated) and what stands under TYPE_CHECKING; texts for people (f-strings, the arguments of
    ``raise``); the ``*`` before keyword arguments; ``strict=`` of zip, which checks lengths that are equal by construction, and ``repr=``; decorators that keep
    results or make dataclasses, and their arguments; constants and functions named as steering speed only.
    """
    while node.parent is not None:
        parent = node.parent
        kind, children = parent.type, parent.children
        if node.type in ("fstring", "raise_stmt") or kind in ("fstring", "raise_stmt"):
            return True
        if kind in ("annassign", "tfpdef") and node is children[2 if kind == "tfpdef" else 1]:
            return True
        if kind == "funcdef" and node is parent.annotation:
            return True
        if (
            "if_stmt" in (kind, node.type)
            and _condition(parent if kind == "if_stmt" else node) == "TYPE_CHECKING"
        ):
            return True
        if (
            kind == "param" and node is children[0] and node.type == "operator"
        ):  # the bare * of keyword arguments
            return True
        if kind == "parameters" and node.type == "operator":
            return True
        if kind == "argument" and children[0].get_code().strip() in ("strict", "repr"):
            return True
        if kind == "decorator" or node.type == "decorator":
            text = (parent if kind == "decorator" else node).get_code().strip()
            if any(
                f"@{prefix}{known}" in text for known in HARMLESS_DECORATORS for prefix in ("", "functools.")
            ):
                return True
        if kind == "expr_stmt" and children[0].get_code(include_prefix=False).strip() in constants:
            return True
        node = parent
    return False


def _same(source: str, mutated: str) -> bool:
    """Whether a change is none, as of 1e30 by 1, or no program, as ** before a dictionary is no power."""
    try:
        return ast.dump(ast.parse(source)) == ast.dump(ast.parse(mutated))
    except SyntaxError:
        return True


def _condition(statement: Any) -> str:
    text: str = statement.children[1].get_code()
    return text.strip()


def _changed(before: str, after: str) -> tuple[str, str]:
    """Return the lines that differ, of either text, joined and without indentation."""
    old, new = before.splitlines(), after.splitlines()
    first = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    if len(old) == len(new):
        return old[first].strip(), new[first].strip()
    changes = [c for c in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if c[0] != "equal"]
    return (
        " ".join(line.strip() for _, a, b, _, _ in changes for line in old[a:b]),
        " ".join(line.strip() for _, _, _, a, b in changes for line in new[a:b]),
    )


def _below_one(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False
