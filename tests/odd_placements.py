"""What methods, warm starts and files may give in place of a placement, and forms in which a placement may come.

Each odd placement is a function of an instance and one of its placements in canonical form.
"""

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import itertools
import json
import threading
import types

import numpy as np

from placewise.models.gate import shown
from placewise.models.head_migration import Interval
from placewise.models.problem import Refused
from placewise.models.registry import problem_of


class BadCodeError(Exception):
    """Code of an object was run that nobody needed to run."""


def _raises(*_, **__):
    raise BadCodeError


SPECIAL = (
    "__len__", "__iter__", "__next__", "__getitem__", "__contains__", "__index__", "__int__", "__float__", "__bool__",
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__repr__", "__str__", "__format__",
    "__getattr__", "__reduce__", "__reduce_ex__", "__array__", "__instancecheck__", "__subclasscheck__", "keys", "get",
)  # fmt: skip
Hostile = type("Hostile", (), dict.fromkeys(SPECIAL, _raises))
HostileList = type("HostileList", (list,), dict.fromkeys(SPECIAL, _raises))
HostileTuple = type("HostileTuple", (tuple,), dict.fromkeys(SPECIAL, _raises) | {"__slots__": ()})
HostileDict = type("HostileDict", (dict,), dict.fromkeys(SPECIAL, _raises))
HostileText = type("HostileText", (str,), dict.fromkeys(SPECIAL, _raises))
HostileInt = type("HostileInt", (int,), dict.fromkeys(SPECIAL, _raises))
HostileFloat = type("HostileFloat", (float,), dict.fromkeys(SPECIAL, _raises))
HostileKind = type("HostileKind", (type,), dict.fromkeys(SPECIAL, _raises) | {"__name__": property(_raises)})
OfHostileKind = HostileKind("OfHostileKind\nin two lines", (), {})


class Pretender:
    """Says that it is a tuple."""

    __class__ = property(lambda _: tuple)


class NoClass:
    """Fails when asked what it is."""

    __class__ = property(_raises)


class Leaves:
    """Ends whoever looks at it."""

    def __len__(self):
        raise SystemExit(0)

    __iter__ = __getitem__ = __eq__ = __repr__ = __hash__ = __len__


class Endless(collections.abc.Sequence):
    """A sequence without end, and slow."""

    def __len__(self):
        return 2**40

    def __getitem__(self, index):
        return 0


class CollidingKey:
    """A key that sits where another one is looked for."""

    def __init__(self, key):
        self.key = key

    def __hash__(self):
        return hash(self.key)

    __eq__ = _raises


class Colour(enum.IntEnum):
    """Numbers with names."""

    RED = 0


def leaves(change):
    """Return a function that changes every number of a placement and keeps its nesting."""

    def walk(value):
        if isinstance(value, Interval):
            return Interval(walk(value.heads), walk(value.proj), walk(value.ffn))
        if isinstance(value, tuple):
            return tuple(walk(item) for item in value)
        return change(value)

    return lambda _, good: walk(good)


def last_leaf(change):
    """Return a function that changes the last number of a placement only."""

    def walk(value):
        if isinstance(value, Interval):
            return Interval(value.heads, value.proj, change(value.ffn))
        if isinstance(value, tuple):
            return (*value[:-1], walk(value[-1]))
        return change(value)

    return lambda _, good: walk(good)


def constant(make):
    """Return a function that gives the same for every instance."""
    return lambda _, __: make()


def _recursive(_, good):
    loop = []
    loop += [loop] * len(good)
    return loop


def _deep(_, good):
    for _ in range(10_000):
        good = [good]
    return good


def _hostile_keys(instance, good):
    document = {"unknown": 1}
    for key in problem_of(instance).placement_json(instance, good):
        document[CollidingKey(key)] = []
    return document


def _generator(_, good):
    yield from good


def _without_fields(_, good):
    return tuple(object.__new__(Interval) for _ in good)


def _with_more_fields(_, good):
    """Return intervals with something beside their fields; other placements as they are."""
    intervals = leaves(lambda n: n)(None, good)
    found = [now for row in intervals for now in (row if isinstance(row, tuple) else [row])]
    for now in found:
        if isinstance(now, Interval):
            object.__setattr__(now, "more", threading.Lock())
    return intervals


def _document(change):
    return lambda instance, good: {
        key: change(value) for key, value in problem_of(instance).placement_json(instance, good).items()
    }


def _structured(_, good):
    return np.zeros(len(good), dtype=[("device", np.int64), ("width", np.int64)])


ODD = {
    "true": leaves(lambda _: True),
    "bools": leaves(bool),
    "one bool": last_leaf(bool),
    "nones": leaves(lambda _: None),
    "floats": leaves(float),
    "one float": last_leaf(float),
    "nan": leaves(lambda _: float("nan")),
    "infinities": leaves(lambda _: float("inf")),
    "digits": leaves(str),
    "negative": leaves(lambda _: -1),
    "last negative": last_leaf(lambda _: -1),
    "far": leaves(lambda _: 10**6),
    "thousands of digits": leaves(lambda _: 10**5000),
    "bytes": leaves(lambda n: bytes([n])),
    "complex": leaves(complex),
    "decimals": leaves(decimal.Decimal),
    "fractions": leaves(fractions.Fraction),
    "numpy floats": leaves(np.float64),
    "numpy bools": leaves(np.bool_),
    "numpy durations": leaves(lambda n: np.timedelta64(n, "s")),
    "arrays of one": leaves(np.array),
    "unknown names": leaves(lambda n: f"no such device {n}\n\x1b[31m"),
    "one name": last_leaf(lambda _: "no such device"),
    "half characters": leaves(lambda _: "\ud800"),
    "hostile entries": leaves(lambda _: Hostile()),
    "hostile texts": leaves(HostileText),
    "locks": leaves(lambda _: threading.Lock()),
    "functions": leaves(lambda _: lambda: 0),
    "nested": lambda _, good: (good,),
    "nested leaves": leaves(lambda n: (n,)),
    "short": lambda _, good: good[:-1],
    "long": lambda _, good: good + good,
    "empty": constant(tuple),
    "number": constant(lambda: 3),
    "yes": constant(lambda: True),
    "not a number": constant(lambda: float("nan")),
    "text": lambda _, good: "a" * len(good),
    "binary": lambda _, good: b"\x00" * len(good),
    "recursive": _recursive,
    "deep": _deep,
    "set": lambda _, good: frozenset(good),
    "generator": _generator,
    "count": constant(itertools.count),
    "endless": constant(Endless),
    "deque": lambda _, good: collections.deque(good),
    "array of C": constant(lambda: array.array("d", [0.0])),
    "hostile": constant(Hostile),
    "hostile list": constant(HostileList),
    "hostile tuple": constant(HostileTuple),
    "hostile dictionary": constant(HostileDict),
    "hostile keys": _hostile_keys,
    "hostile kind": constant(OfHostileKind),
    "hostile type": constant(lambda: OfHostileKind),
    "pretender": constant(Pretender),
    "no class": constant(NoClass),
    "leaves": constant(Leaves),
    "lock": constant(threading.Lock),
    "function": constant(lambda: lambda: 0),
    "module": constant(lambda: json),
    "exception": constant(lambda: MemoryError("out of memory")),
    "date": constant(lambda: dt.date(2026, 1, 1)),
    "namespace": lambda _, good: types.SimpleNamespace(layers=good),
    "array of floats": lambda _, good: np.zeros(len(good)),
    "array of objects": lambda _, good: np.array([Hostile] * len(good), dtype=object),
    "array of three dimensions": lambda _, good: np.zeros((len(good), 2, 2), dtype=np.int64),
    "array of nothing": constant(lambda: np.array(0)),
    "structured array": _structured,
    "array without end": constant(lambda: np.broadcast_to(np.int64(0), (2**20, 2**20, 2**10))),
    "masked array": lambda _, good: np.ma.masked_all(len(good), dtype=np.int64),
    "intervals without fields": _without_fields,
    "other keys": constant(lambda: {"nodes": {}}),
    "no lists": _document(lambda _: {}),
    "empty lists": _document(lambda _: []),
    "lists of nothing": _document(lambda _: [None]),
    "hostile lists": _document(lambda _: HostileList([0])),
    "refused": constant(lambda: Refused(())),
    "refused with nonsense": constant(lambda: Refused((Hostile(), 3))),
}  # fmt: skip


def _names(instance, good):
    """Return a placement by names: widths in bits beside servers, batch sizes as they are."""
    names = instance.cluster.device_names
    if instance.problem == "dilemma":
        return tuple((names[server], instance.bit_widths[width]) for server, width in good)
    if instance.problem == "edgeshard-batch":
        return good[0], [names[device] for device in good[1]]
    if instance.problem == "replicated-throughput":  # names stand in files only
        return problem_of(instance).placement_json(instance, good)
    return leaves(names.__getitem__)(instance, good)


def _lists(instance, good):
    def walk(value):
        if isinstance(value, Interval):
            return Interval(walk(value.heads), value.proj, value.ffn)
        return [walk(item) for item in value] if isinstance(value, tuple) else value

    return walk(good)


def _array(instance, good):
    if instance.problem == "edgeshard-batch":
        return good[0], np.array(good[1], dtype=np.uint8)
    return np.array(good) if instance.problem.startswith(("edgeshard", "dilemma")) else list(good)


def _hostile_containers(instance, good):
    return HostileTuple(HostileList(item) if isinstance(item, tuple) else item for item in good)


#: Forms that a placement may have, also where somebody's classes stand around its numbers.
FORMS = {
    "canonical": lambda _, good: good,
    "lists": _lists,
    "arrays": _array,
    "numpy integers": leaves(np.int16),
    "names": _names,
    "hostile integers": leaves(HostileInt),
    "enumerations": leaves(lambda n: Colour.RED if n == 0 else n),
    "hostile containers": _hostile_containers,
    "intervals with more fields": _with_more_fields,
    "document": lambda instance, good: problem_of(instance).placement_json(instance, good),
}


def first(instance):
    """Return a placement of a tiny instance in canonical form, feasible or not."""
    return next(iter(problem_of(instance).placements(instance)))


def in_json(value):
    """Return a text for the value in a JSON file; what JSON does not know is a word."""
    try:
        return json.dumps(value, default=shown)
    except (BadCodeError, ValueError, TypeError, RecursionError):
        return json.dumps(shown(value))
