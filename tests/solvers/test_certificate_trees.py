"""Certificates by trees of branchings: optima have one, nothing false has, and what stops early proves less."""

import copy
import json
import random
from dataclasses import replace
from fractions import Fraction

import planted_liars
import pytest

import placewise
from placewise.cli.main import main
from placewise.models.errors import PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers import solve
from placewise.solvers.certificates import tree
from placewise.solvers.certificates.files import verdict_on
from placewise.solvers.certificates.make import instance_document
from placewise.solvers.evidence.result import Status
from placewise.solvers.evidence.verify import verify
from placewise.tools import verify_certificate as verifier

TREES = [
    "head-migration",
    "head-migration-decoder",
    "graph-throughput",
    "graph-latency",
    "replicated-throughput",
]


def read(instance):
    """Return an instance as the verifier reads it."""
    return verifier.PROBLEMS[instance.problem](instance_document(instance))


def cases(problem, seeds):
    """Yield tiny instances as the verifier reads them, results of enumeration, and exact costs, None without a placement."""
    for seed in seeds:
        instance = placewise.generate(problem, "tiny", seed=seed)
        result = solve(instance, "brute-force", isolate=False)
        placement, known = result.to_json()["placement"], read(instance)
        cost = None if placement is None else known.value(verifier.parse(json.dumps(placement)))
        assert cost is None or float(cost) == pytest.approx(result.objective, rel=1e-9, abs=1e-12)
        yield known, result, cost


def above(cost):
    """Return a bound that is a little too high."""
    return cost * Fraction(1_000_001, 1_000_000) + Fraction(1, 10**9)


@pytest.mark.parametrize("problem", TREES)
def test_the_optimum_has_a_tree_and_nothing_above_it(problem):
    """By enumeration: a tree proves the optimum, or that there is no placement; for more neither maker nor verifier has one."""
    infeasible = optimal = 0
    for known, _, cost in cases(problem, range(1, 41)):
        bound, proofs = tree.proof_of(known, cost)
        known.prove(bound, verifier.parse(json.dumps(proofs)))
        if cost is None:
            assert bound is None
            infeasible += 1
            continue
        optimal += 1
        assert cost * (1 - Fraction(1, 10**9)) <= bound <= cost
        for false in (None, above(cost)):
            with pytest.raises(verifier.RefusedError, match="not excluded"):
                tree.proof_of(known, false)
        with pytest.raises(verifier.RefusedError, match="not excluded"):
            known.prove(above(cost), proofs)
        with pytest.raises(verifier.RefusedError, match="not excluded"):
            known.prove(None, [{"by": "tree", "tree": proofs[0]["tree"]}])
    assert infeasible
    assert optimal


@pytest.mark.parametrize("problem", TREES)
def test_no_unit_cuts_off_what_costs_less(problem):
    """In units however coarse, the statement of a bound above the optimum has no tree: rounding loses no placement."""
    draw = random.Random(8)
    for known, _, cost in cases(problem, range(1, 17)):
        if not cost:
            continue
        for _ in range(4):
            bound = cost * (1 + Fraction(1, draw.choice([3, 100, 10**6, 10**12])))
            unit = bound / draw.choice([1, 2, 3, 7, 50, 1001, 2**20]) * draw.choice([1, Fraction(9, 10)])
            statement = known.statement(bound, unit)
            try:
                found = tree.Tree(statement)
            except verifier.RefusedError as refusal:
                assert str(refusal) == "proof.tree: not excluded"  # noqa: PT017 - the other way out follows
                continue
            assert None in list(tree._nodes(found.root, statement))


@pytest.mark.parametrize("problem", TREES)
def test_no_tree_proves_what_is_false(problem):
    """Any branchings and multipliers: a bound above the optimum is refused."""
    draw = random.Random(5)
    for known, _, cost in cases(problem, range(1, 16)):
        if cost is None:
            continue
        bound = draw.choice([None, above(cost)])
        unit = None if bound is None else bound / draw.choice([3, 1000, 2**40])
        statement = known.statement(bound, unit)
        whole = [v for v, is_whole in enumerate(statement.whole) if is_whole]
        for _ in range(10):
            nodes, left = [], 1
            while left:
                if len(nodes) < 6 and draw.random() < 0.6:
                    nodes.append([draw.choice(whole), draw.randint(-1, 3)])
                    left += 1
                    continue
                leaf = {}
                for row in draw.sample(
                    range(len(statement.rows)), draw.randint(1, min(len(statement.rows), 4))
                ):
                    _, least, most, _ = statement.rows[row]
                    sign = draw.choice(
                        [s for s, side in ((1, least), (-1, most)) if side is not None] or [-1]
                    )
                    leaf[str(row)] = sign * draw.choice([1, 2, 10**6, 2**40])
                nodes.append(leaf)
                left -= 1
            text = {} if unit is None else {"unit": str(unit)}
            with pytest.raises(verifier.RefusedError, match="not excluded"):
                known.prove(bound, [{"by": "tree", **text, "tree": nodes}])


def test_a_tree_has_all_its_parts():
    """A part that is missing, one too many, a branching on what need not be whole, a multiplier that is no whole number."""
    for known, _, cost in cases("head-migration-decoder", range(1, 40)):
        if cost is not None:
            bound, [proof] = tree.proof_of(known, cost)
            if len(proof["tree"]) > 3:
                break
    nodes, statement = proof["tree"], known.statement(bound, Fraction(proof["unit"]))
    part = statement.whole.index(False)
    for wrong, refusal in (
        (nodes[:-1], "a part is not excluded"),
        ([*nodes, nodes[-1]], "nodes are left over"),
        ([[part, 0], *nodes, *nodes], "not whole"),
        ([{"0": 0.5}], "whole multipliers"),
        ([{"0": True}], "whole multipliers"),
        ([{"-1": 1}], ">= 0"),
        ([], "a part is not excluded"),
    ):
        with pytest.raises(verifier.RefusedError, match=refusal):
            known.prove(bound, [proof | {"tree": wrong}])
    with pytest.raises(verifier.RefusedError, match="expected > 0"):
        known.prove(bound, [proof | {"unit": "0"}])


@pytest.mark.parametrize("problem", TREES)
def test_what_stops_early_proves_less(problem, monkeypatch):
    """A tree with open parts proves the least of what they cost."""
    monkeypatch.setattr(tree, "MOST_PARTS", 0)
    for known, _, cost in cases(problem, range(1, 31)):
        if cost is None:
            continue
        bound, proofs = tree.proof_of(known, cost)
        assert 0 <= bound <= cost
        known.prove(bound, proofs)


def numbers_in(document, path=()):
    """Yield the paths of all numbers, also those written as text."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, dict | list):
            yield from numbers_in(value, (*path, key))
        elif isinstance(value, int) or (isinstance(value, str) and value[:1].isdigit() and key != "sha256"):
            yield (*path, key)


@pytest.mark.parametrize("problem", TREES)
def test_a_tree_with_one_number_changed_proves_the_same_or_nothing(problem):
    """By its hash it is refused; with the hash made anew nothing but what was proven before is."""
    draw, refused = random.Random(3), 0
    for known, result, cost in cases(problem, range(1, 25)):
        bound, proofs = tree.proof_of(known, cost)
        certificate = {
            "format": verifier.FORMAT,
            "problem": problem,
            "instance": result.instance.name,
            "bound": None if bound is None else str(bound),
            "proofs": proofs,
        }
        certificate["sha256"] = verifier.digest(certificate)
        placement = result.to_json()["placement"]
        honest = verdict_on(result.instance, placement, certificate)
        assert not isinstance(honest, str), honest
        paths = list(numbers_in(certificate))
        for path in draw.sample(paths, min(len(paths), 12)):
            changed = copy.deepcopy(certificate)
            part = changed
            for key in path[:-1]:
                part = part[key]
            old = Fraction(part[path[-1]])
            new = old + draw.choice([1, -1, 1000])
            part[path[-1]] = str(new) if isinstance(part[path[-1]], str) else int(new)
            assert "was changed" in verdict_on(result.instance, placement, changed)
            changed["sha256"] = verifier.digest(changed)
            verdict = verdict_on(result.instance, placement, changed)
            refused += isinstance(verdict, str)
            assert isinstance(verdict, str) or cost is None or verdict.bound <= cost
    assert refused > 20


@pytest.mark.parametrize("problem", TREES)
@pytest.mark.parametrize("lie", ["worse", "bound_above", "false_infeasible"])
def test_planted_lies_have_no_certificate(problem, lie):
    """Of exact methods that call another placement optimal, a bound too high proven, or a placement impossible."""
    lies = 0
    for seed in range(1, 40):
        instance = placewise.generate(problem, "tiny", kind="loose", seed=seed)
        known = problem_of(instance)
        seen = [known.evaluate(instance, placement) for placement in known.placements(instance)]
        costs = [evaluation.objective for evaluation in seen if evaluation.feasible]
        if not costs or max(costs) <= min(costs) * 1.001 or min(costs) == 0:  # of 0, no bound is too high
            continue
        claim = getattr(planted_liars, lie)(instance, None)
        if lie == "bound_above":  # beside a placement its cost is certified, and no more
            claim = replace(claim, placement=None, objective=None)
        believed = verify(instance, "liar", Guarantee.EXACT, claim, tolerance=1e-6)
        if lie != "false_infeasible" and problem == "head-migration" and instance.intervals > 1:
            weaker = placewise.certify(instance, believed)  # what prices of heads prove
            assert float(Fraction(weaker["bound"])) <= min(costs)
            continue
        with pytest.raises(PlacewiseError, match="not excluded"):
            placewise.certify(instance, believed)
        lies += 1
        if lies == 3:
            break
    assert lies


@pytest.mark.parametrize("problem", TREES)
def test_solve_writes_and_check_takes_trees(problem, tmp_path, capsys):
    """Of a small instance, and of one without a placement."""
    seen = set()
    for seed in range(1, 60):
        instance = placewise.generate(problem, "tiny", seed=seed)
        if getattr(instance, "intervals", 2) == 1:
            continue
        status = solve(instance, "brute-force", isolate=False).status
        if status in seen:
            continue
        seen.add(status)
        name, result, certificate = (
            str(tmp_path / f"{seed}{end}") for end in (".json", "r.json", "c.json.gz")
        )
        placewise.write(instance, name)
        infeasible = status is Status.INFEASIBLE
        assert main(
            ["solve", name, "--method", "brute-force", "--output", result, "--certificate", certificate]
        ) == (3 if infeasible else 0)
        assert main(["check", name, result, "--certificate", certificate]) == 0
        assert ("proven: certified" if infeasible else ", certified") in capsys.readouterr().out
    assert len(seen) == 2
