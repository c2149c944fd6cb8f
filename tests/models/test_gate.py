"""The gate of each problem: any Python object becomes a placement in plain integers, or violations, and soon."""

import dataclasses
import json
import pickle
import threading
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_placements import FORMS, ODD, Hostile, HostileInt, OfHostileKind, first

from placewise.instances.generators import generate
from placewise.models.errors import InstanceError
from placewise.models.gate import real, shown
from placewise.models.head_migration import Interval
from placewise.models.problem import Guarantee, Refused, Violation
from placewise.models.registry import PROBLEMS, problem_of
from placewise.solvers.evidence.result import Claim, Reason, Status
from placewise.solvers.evidence.verify import verify

#: Problems whose placements are made of devices; in a replicated plan they are layers.
OF_DEVICES = [problem for problem in PROBLEMS if problem != "replicated-throughput"]


@cache
def tiny(problem):
    """Return an instance with two devices at least and a feasible placement."""
    for seed in range(200):
        instance = generate(problem, "tiny", seed=seed, kind="loose")
        if instance.cluster.size > 1 and best(instance) is not None:
            return instance
    raise AssertionError("choose other seeds")


@cache
def best(instance):
    """Return the first feasible placement."""
    evaluate = PROBLEMS[instance.problem].evaluate
    return next(
        (p for p in problem_of(instance).placements(instance) if evaluate(instance, p).feasible), None
    )


def plain(value):
    """Whether there are only tuples, integers and `Interval` in something."""
    if type(value) is Interval:
        return set(vars(value)) == {"heads", "proj", "ffn"} and all(map(plain, vars(value).values()))
    return type(value) is int or (type(value) is tuple and all(map(plain, value)))


def passed(instance, anything):
    """Send an object through gate, evaluation, verification and documents; return whether it is a placement."""
    problem = PROBLEMS[instance.problem]
    placement, violations = problem.gate(instance, anything)
    assert (placement is None) is bool(violations)
    for violation in violations:
        assert violation.constraint in ("assignment", "batch")
        assert violation.where.isprintable()
        assert violation.message.isprintable()
        assert len(violation.message) < 500
    if type(anything) is not Refused:
        evaluation = problem.evaluate(instance, anything)
        assert evaluation.violations == (violations or evaluation.violations)
        again = problem.evaluate(instance, placement)
        assert (again.objective, again.terms) == (evaluation.objective, evaluation.terms)
    result = verify(instance, "planted", Guarantee.EXACT, Claim(Reason.FINISHED, anything), tolerance=1e-6)
    assert pickle.loads(pickle.dumps(result.placement)) == placement
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["violations"] == [
        violation.message for violation in result.violations
    ]
    if anything is None:
        assert result.status is Status.NO_SOLUTION
        return False
    if violations:
        assert (result.status, result.objective, result.placement) == (Status.ERROR, None, None)
        assert [conflict.kind for conflict in result.conflicts] == ["infeasible-solution"]
        with pytest.raises(InstanceError):
            problem.placement_json(instance, anything)
        return False
    assert plain(placement)
    assert problem.gate(instance, placement) == (placement, ())
    document = json.loads(json.dumps(problem.placement_json(instance, anything)))
    assert problem.gate(instance, document) == (placement, ())
    assert problem.from_json(instance, document) == placement
    return True


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_odd_placements_are_refused(problem, name):
    """Without an exception, without waiting, with a line that says what was expected and found."""
    instance = tiny(problem)
    assert not passed(instance, ODD[name](instance, first(instance)))


def test_there_are_many():
    """Fewer than forty would not be worth the name."""
    assert len(ODD) >= 40


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_forms_of_a_placement(problem, name):
    """By index or by name, as lists or arrays or a file's document: the same placement."""
    instance = tiny(problem)
    good = best(instance)
    form = FORMS[name](instance, good)
    assert passed(instance, form)
    assert PROBLEMS[problem].gate(instance, form) == (good, ())


@pytest.mark.parametrize("problem", PROBLEMS)
def test_canonical_placements_stay_the_same_object(problem):
    """Brute force evaluates millions; nothing is copied."""
    instance = tiny(problem)
    good = best(instance)
    assert PROBLEMS[problem].gate(instance, good)[0] == good
    if problem != "edgeshard-batch":
        assert PROBLEMS[problem].gate(instance, good)[0] is good


@pytest.mark.parametrize("problem", OF_DEVICES)
def test_index_and_name_do_not_mix(problem):
    """Half of a placement by name and half by index is none."""
    instance = tiny(problem)
    names = instance.cluster.device_names
    good = best(instance)
    mixed = {
        "edgeshard-batch": lambda: (good[0], (names[good[1][0]], *good[1][1:])),
        "dilemma": lambda: ((names[good[0][0]], instance.bit_widths[good[0][1]]), *good[1:]),
        "head-migration": lambda: (Interval(good[0].heads, names[good[0].proj], good[0].ffn), *good[1:]),
        "head-migration-decoder": lambda: (
            (Interval(good[0][0].heads, names[good[0][0].proj], good[0][0].ffn), *good[0][1:]),
            *good[1:],
        ),
    }.get(problem, lambda: (names[good[0]], *good[1:]))()
    assert not passed(instance, mixed)
    message = PROBLEMS[problem].gate(instance, mixed)[1][0].message
    assert "expected all by index or all by name" in message


def test_widths_are_positions_beside_indices_and_bits_beside_names():
    """(0, 1) is the second width on the first server; ("a", 8) is 8 bits on a."""
    instance = tiny("dilemma")
    names, widths = instance.cluster.device_names, instance.bit_widths
    gate, count = PROBLEMS["dilemma"].gate, len(instance.layers)
    last = len(widths) - 1
    assert gate(instance, [(0, last)] * count)[0] == ((0, last),) * count
    assert gate(instance, [(names[0], widths[last])] * count)[0] == ((0, last),) * count
    assert widths[last] > last
    assert "in bits" in gate(instance, [(names[0], last)] * count)[1][0].message
    assert "position 0 to" in gate(instance, [(0, widths[last])] * count)[1][0].message


def test_wrong_entries_are_listed_up_to_a_number(testbed_7b):
    """All of a short list, and how many more of a long one."""
    gate = PROBLEMS["edgeshard-latency"].gate
    short = gate(testbed_7b, [-1] * len(testbed_7b.layers))[1]
    assert [violation.where for violation in short] == [f"layer {i}" for i in range(len(testbed_7b.layers))]
    layers = testbed_7b.layers * 8
    long = dataclasses.replace(
        testbed_7b, layers=layers, compute_time_s=np.tile(testbed_7b.compute_time_s, (8, 1))
    )
    assert len(gate(long, [-1] * len(layers))[1]) == 101
    assert f"{len(layers) - 100} more entries" in gate(long, [-1] * len(layers))[1][-1].message


def test_what_was_refused_can_be_sent():
    """`Refused` stands for an object that a worker process cannot send."""
    instance = tiny("dilemma")
    violations = PROBLEMS["dilemma"].gate(instance, threading.Lock())[1]
    sent = pickle.loads(pickle.dumps(Refused(violations)))
    assert PROBLEMS["dilemma"].gate(instance, sent) == (None, violations)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (np.int8(3), 3.0),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (10**400, float("inf")),
        (-(10**400), float("-inf")),
        (HostileInt(2), 2.0),
        (True, None),
        ("3", None),
        (3j, None),
        (None, None),
        (np.array(3.0), None),
        (np.timedelta64(3, "s"), None),
        (Hostile(), None),
    ],
    ids=lambda _: "",
)
def test_real_numbers(value, number):
    """What counts as a number of a claim; booleans and texts do not."""
    assert real(value) == number
    assert type(real(value)) is (type(None) if number is None else float)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (10**40, f"an integer of {(10**40).bit_length()} bits"),
        ("x" * 1000, "'" + "x" * 56 + "..."),
        ("\n\x1b", r"'\n\x1b'"),
        ([1, 2], "a list of 2 entries"),
        (np.zeros((2, 3)), "an array of 'f' with 2 dimensions"),
        (OfHostileKind, "an object of type HostileKind"),
        (np.int64(7), "7"),
    ],
    ids=lambda _: "",
)
def test_values_in_messages(value, text):
    """One short line, whatever the value does when asked."""
    assert shown(value) == text


KEYS = st.sampled_from(["layers", "bits", "batch_size", "intervals", "heads", "proj", "ffn", "x"])


@dataclasses.dataclass(frozen=True)
class Odd:
    """The place of an odd placement: what is drawn is shown when a test fails, which some of them would not bear."""

    name: str


def built(value, instance, good):
    """Return what was drawn with the odd placements in their places."""
    if isinstance(value, Odd):
        return ODD[value.name](instance, good)
    if isinstance(value, Interval):
        return Interval(*(built(part, instance, good) for part in vars(value).values()))
    if isinstance(value, dict):
        return {key: built(item, instance, good) for key, item in value.items()}
    return (
        type(value)(built(item, instance, good) for item in value)
        if isinstance(value, list | tuple)
        else value
    )


@st.composite
def anything(draw, instance, good):
    """Draw an object of any make, often one that looks like a placement."""
    names = st.sampled_from(instance.cluster.device_names)
    leaf = st.one_of(
        st.integers(-1, 3),
        st.integers(-1, 3).map(np.int32),
        names,
        st.sampled_from([16, 8, 4, 2, 1]),
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.decimals(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.sampled_from(list(ODD)).map(Odd),
        st.just(good),
    )
    extend = lambda inner: st.one_of(  # noqa: E731
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Interval, st.one_of(inner, st.lists(inner, max_size=3).map(tuple)), inner, inner),
        st.lists(inner, min_size=len(good), max_size=len(good)),
    )
    return draw(st.recursive(leaf, extend, max_leaves=12))


@pytest.mark.parametrize("problem", PROBLEMS)
@given(data=st.data())
def test_anything(problem, data):
    """Nested lists, tuples, documents and intervals of anything."""
    instance = tiny(problem)
    good = first(instance)
    passed(instance, built(data.draw(anything(instance, good)), instance, good))


def parts(value, path=()):
    """Return the paths of all parts of a placement or document."""
    yield path
    items = (
        vars(value).items()
        if isinstance(value, Interval)
        else value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    )
    for key, item in items:
        yield from parts(item, (*path, key))


def replaced(value, path, new):
    """Return a placement or document with another part at a path."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, Interval):
        return Interval(**{k: replaced(v, rest, new) if k == key else v for k, v in vars(value).items()})
    if isinstance(value, dict):
        return {k: replaced(v, rest, new) if k == key else v for k, v in value.items()}
    return type(value)(replaced(v, rest, new) if k == key else v for k, v in enumerate(value))


@pytest.mark.parametrize("problem", PROBLEMS)
@given(data=st.data())
def test_nearly_placements(problem, data):
    """A placement in one of its forms, with another thing in the place of one or two parts."""
    instance = tiny(problem)
    good = best(instance)
    form = data.draw(st.sampled_from(["canonical", "lists", "names", "document"]))
    value = FORMS[form](instance, good)
    paths = data.draw(st.lists(st.sampled_from(list(parts(value))), min_size=1, max_size=2))
    for path in sorted(paths, key=len, reverse=True):
        value = replaced(value, path, data.draw(anything(instance, good)))
    passed(instance, built(value, instance, good))


def first_beyond(instance, path):
    """Return the smallest number that is too large for the part of a placement at a path."""
    if instance.problem == "edgeshard-batch" and path == (0,):
        return max(instance.batch_sizes) + 1
    if instance.problem == "dilemma" and path[-1] == 1:
        return len(instance.bit_widths)
    return instance.cluster.size


@pytest.mark.parametrize("problem", OF_DEVICES)
def test_every_number_has_its_range(problem):
    """One below the first and one above the last are refused at each place, however the rest looks."""
    instance = tiny(problem)
    good = best(instance)
    places = [path for path in parts(good) if type(part(good, path)) is int]
    assert places
    for path in places:
        beyond = first_beyond(instance, path)
        for form in (good, FORMS["lists"](instance, good)):
            assert passed(instance, replaced(form, path, beyond - 1))
            assert not passed(instance, replaced(form, path, beyond))
            assert not passed(instance, replaced(form, path, -1))


def part(value, path):
    """Return the part of a placement at a path."""
    for key in path:
        value = getattr(value, key) if isinstance(value, Interval) else value[key]
    return value


def test_violations_of_the_gate_are_violations():
    """They are listed like those of other constraints."""
    instance = tiny("dilemma")
    count = len(instance.layers)
    assert PROBLEMS["dilemma"].evaluate(instance, [(-1, -1)] * count).violations == tuple(
        Violation(
            "assignment",
            f"layer {i}",
            f"layer {i}: expected device 0 to {instance.cluster.size - 1}, found -1",
        )
        for i in range(count)
    )
