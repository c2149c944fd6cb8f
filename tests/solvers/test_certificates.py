"""Certificates: what they certify is true, what is false cannot be certified, and the verifier stands alone."""

import ast
import copy
import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import planted_liars
import pytest

import placewise
from placewise.benchmarks.asked import KINDS as ASKED
from placewise.benchmarks.traps import KINDS as TRAPS
from placewise.cli.main import main
from placewise.models.errors import PlacewiseError
from placewise.models.problem import Guarantee
from placewise.models.registry import problem_of
from placewise.solvers import solve
from placewise.solvers.certificates import heads, widths
from placewise.solvers.certificates.files import verdict_on
from placewise.solvers.certificates.make import instance_document
from placewise.solvers.evidence.result import Claim, Reason, Status
from placewise.solvers.evidence.verify import verify
from placewise.solvers.head_migration import modes
from placewise.tools import verify_certificate as verifier

VERIFIER = Path(verifier.__file__).parent
WRONG = Path(__file__).parents[1] / "instances" / "wrong"
KINDS = [
    ("edgeshard-latency", "tiny", {}),
    ("edgeshard-throughput", "tiny", {}),
    ("edgeshard-batch", "tiny", {}),
    ("dilemma", "tiny", {}),
    ("head-migration", "tiny", {}),
    *((f"edgeshard-{kind}", "tiny-rules", {}) for kind in ("latency", "throughput", "batch")),
    *((f"edgeshard-{kind}", "tied", {}) for kind in ("latency", "throughput", "batch")),
    ("edgeshard-batch", "tiny-in-flight", {}),
    *((f"edgeshard-{kind}", f"request-{kind}", {}) for kind in ("latency", "throughput")),
]
TINY = [problem for problem, family, _ in KINDS if family == "tiny"]


def tiny(problem, family, options, seed):
    if family == "tied":
        return TRAPS[f"tied-{problem.removeprefix('edgeshard-')}"](seed).instance
    if family in ASKED:
        return ASKED[family](seed).instance
    return placewise.generate(problem, family, seed=seed, **options)


def covered(instance):
    """Whether what is claimed of an instance is certified in full."""
    return getattr(instance, "intervals", 1) == 1


def brute(instance):
    return solve(instance, "brute-force", isolate=False)


def certified(result, certificate):
    """Return the verdict on a certificate that was written and read."""
    document = verifier.parse(json.dumps(certificate))
    return verdict_on(result.instance, result.to_json()["placement"], document)


def stated(case):
    """Return the bound that a proof of a case states."""
    bound = case.limit if case.bound is None else case.bound
    return None if bound is None else str(bound)


def restated(instance, certificate, bound):
    """Return a certificate that states another bound all through, with as many labels as it likes, and a new hash."""
    false = copy.deepcopy(certificate)
    false["bound"] = str(bound)
    kind = verifier.PROBLEMS[instance.problem](instance_document(instance))
    if isinstance(kind, verifier.Heads):
        false["proofs"][0]["bound"] = str(bound)
    elif isinstance(kind, verifier.Dilemma):
        false["proofs"][0] |= {"bound": str(bound), "labels": 10**6}
    else:
        for case, proof in zip(kind.cases(bound), false["proofs"], strict=True):
            proof |= {"bound": stated(case), "labels": 10**6}
    return false | {"sha256": verifier.digest(false)}


def proves(instance, bound, proofs):
    """Raise unless proofs close all cases, whatever else they state."""
    kind = verifier.PROBLEMS[instance.problem](instance_document(instance))
    if isinstance(kind, verifier.Heads):
        kind.prove(bound, proofs)
        return
    if isinstance(kind, verifier.Dilemma):
        verifier.Widths(kind.layers(), bound, *proofs).run()
        return
    for case, proof in zip(kind.cases(bound), proofs, strict=True):
        verifier.Search(case, proof).run()


@pytest.mark.parametrize(("problem", "family", "options"), KINDS, ids=str)
def test_the_optimum_is_certified_and_nothing_above_it(problem, family, options):
    """By enumeration: the certified bound is the optimum, and a bound above it has no proof."""
    infeasible = optimal = 0
    for seed in range(1, 31):
        instance = tiny(problem, family, options, seed)
        if not covered(instance):
            continue
        result = brute(instance)
        certificate = placewise.certify(result.instance, result)
        verdict = certified(result, certificate)
        assert not isinstance(verdict, str), verdict
        if result.status is Status.INFEASIBLE:
            assert verdict.bound is None
            infeasible += 1
            continue
        optimal += 1
        assert float(verdict.cost) == pytest.approx(result.objective, rel=1e-9, abs=1e-12)
        assert float(verdict.bound) == pytest.approx(result.objective, rel=1e-9, abs=1e-12)
        above = verdict.cost * Fraction(1_000_001, 1_000_000) + Fraction(1, 10**9)
        with pytest.raises(verifier.RefusedError, match="not excluded"):
            proves(instance, above, restated(instance, certificate, above)["proofs"])
    assert optimal


def some_prices(draw, count):
    return [draw.choice([0, 1, draw.randrange(10**6)]) for _ in range(count)]


def some_unit(draw):
    return str(Fraction(1, draw.choice([2**20, 10**6, 3])))


def prices_of_chains(kind, bound, draw):
    """Return proofs of all cases with any prices, in either reading."""
    proofs = []
    for case in kind.cases(bound):
        count = len(case.chain.space)
        proof = {
            "by": draw.choice(["visits", "bytes"]),
            "bound": stated(case),
            "unit": None if case.bound is None else some_unit(draw),
            "price": some_prices(draw, count),
            "labels": 10**6,
        }
        others = [j for j in range(count) if j != case.start]
        if proof["by"] == "visits":
            proof["price"][case.start] = 0
            proof["remembered"] = draw.sample(others, draw.randrange(len(others) + 1))
        proofs.append(proof)
    return proofs


def prices_of_widths(kind, bound, draw):
    """Return a proof with any prices of storage and errors, and any coarseness."""
    space = kind.layers().space
    return [
        {
            "bound": None if bound is None else str(bound),
            "unit": None if bound is None else some_unit(draw),
            "price": some_prices(draw, len(space)),
            "error_price": draw.choice([0, draw.randrange(10**6), draw.randrange(10**9)]),
            "grain": max(space) // draw.choice([1, 7, 256]) + 1,
            "labels": 10**6,
        }
    ]


@pytest.mark.parametrize(("problem", "family", "options"), KINDS, ids=str)
def test_no_prices_prove_what_is_false(problem, family, options):
    """Any prices, in either reading: a bound above the optimum, or that there is no placement, is refused."""
    draw = random.Random(7)
    for seed in range(1, 16):
        instance = tiny(problem, family, options, seed)
        result = brute(instance)
        if result.status is not Status.OPTIMAL:
            continue
        if not covered(instance):
            continue
        kind = verifier.PROBLEMS[problem](instance_document(instance))
        if problem == "head-migration":
            continue
        cost = kind.value(verifier.parse(json.dumps(result.to_json()["placement"])))
        for bound in (None, cost * Fraction(11, 10) + Fraction(1, 1000)):
            any_prices = prices_of_widths if problem == "dilemma" else prices_of_chains
            proofs = any_prices(kind, bound, draw)
            with pytest.raises(verifier.RefusedError, match=r"not excluded|prove nothing"):
                proves(instance, bound, proofs)


def test_where_too_many_labels_are_left_the_prices_bound(monkeypatch):
    """A weaker bound, which says so."""
    monkeypatch.setattr(widths, "MOST_LABELS", 0)
    weaker = 0
    for seed in range(1, 30):
        result = brute(placewise.generate("dilemma", "tiny", seed=seed, kind="tight"))
        if result.status is Status.OPTIMAL:
            try:
                certificate = placewise.certify(result.instance, result)
            except PlacewiseError as error:
                assert "labels" in str(error)  # noqa: PT017 - where the prices bound nothing
                continue
            verdict = certified(result, certificate)
            assert 0 < verdict.bound <= verdict.cost
            weaker += float(verdict.bound) < result.objective * (1 - 1e-9)
    assert weaker > 3


def over_time(count):
    """Yield so many tiny instances of several intervals with a placement, as the verifier reads them, and the optimum."""
    for seed in range(1, 200):
        instance = placewise.generate("head-migration", "tiny", seed=seed)
        result = brute(instance)
        if instance.intervals > 1 and result.status is Status.OPTIMAL:
            yield verifier.PROBLEMS["head-migration"](instance_document(instance)), result
            count -= 1
        if not count:
            return


def test_prices_bound_what_happens_over_time():
    """Of several intervals a bound with moves is certified, never above the optimum, often at it, above that without moves."""
    at_optimum = above = 0
    for problem, result in over_time(20):
        certificate = placewise.certify(result.instance, result)
        verdict = certified(result, certificate)
        assert 0 <= verdict.bound <= verdict.cost
        assert float(verdict.cost) == pytest.approx(result.objective, rel=1e-9)
        at_optimum += float(verdict.bound) == pytest.approx(result.objective, rel=1e-9)
        apart, proofs = heads.proofs_over_time(problem)
        problem.prove(apart, proofs)
        above += verdict.bound > apart * Fraction(101, 100)
        higher = certificate | {"bound": str(verdict.bound + Fraction(1, 10**9))}
        refusal = certified(result, higher | {"sha256": verifier.digest(higher)})
        assert re.search("the prices prove|the placement costs less", refusal)
    assert at_optimum > 5
    assert above > 5


def test_no_prices_of_heads_prove_what_is_false():
    """Any prices, in any unit: never more than the optimum, which the verifier computes itself."""
    draw = random.Random(11)
    for problem, result in over_time(40):
        cost = problem.value(verifier.parse(json.dumps(result.to_json()["placement"])))
        for _ in range(3):
            unit = cost / draw.choice([10, 2**20, 10**6])
            most = draw.choice([0, 3, int(cost / unit)])
            price, network = (
                [[draw.randint(0, most) for _ in range(problem.cluster.size)] for _ in range(problem.count)]
                for _ in range(2)
            )
            proof = {"unit": str(unit or 1), "price": price, "network": network}
            assert verifier.walks.least(problem, proof) <= cost


def test_large_horizons_keep_the_bounds_of_intervals(monkeypatch):
    """Where prices are not to be had, nor trees."""
    monkeypatch.setattr(modes, "LARGEST_TABLE", 0)
    monkeypatch.setattr(verifier.tree, "LARGEST", 0)
    for problem, result in over_time(3):
        certificate = placewise.certify(result.instance, result)
        assert len(certificate["proofs"]) == problem.count
        assert 0 <= certified(result, certificate).bound <= result.objective


def test_prices_of_transports_close_what_limits_leave():
    """Heads that were somewhere: without the prices nothing is proven."""
    needed = 0
    for seed in range(1, 61):
        instance = placewise.generate("head-migration", "tiny", seed=seed)
        if instance.intervals > 1 or instance.initial is None:
            continue
        result = brute(instance)
        if result.status is not Status.OPTIMAL:
            continue
        certificate = placewise.certify(instance, result)
        if certificate["proofs"][0]["prices"]:
            needed += 1
            certificate["proofs"][0]["prices"] = []
            certificate["sha256"] = verifier.digest(certificate)
            assert "not excluded" in certified(result, certificate)
    assert needed


def numbers_in(document, path=()):
    """Yield the paths of all numbers, also those written as text."""
    parts = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in parts:
        if isinstance(value, dict | list):
            yield from numbers_in(value, (*path, key))
        elif isinstance(value, int) or (isinstance(value, str) and value[:1].isdigit() and key != "sha256"):
            yield (*path, key)


@pytest.mark.parametrize("problem", TINY)
def test_a_certificate_with_one_number_changed_is_refused(problem):
    """By its hash; with the hash made anew too, unless the number is of no use, so that the same is proven as before."""
    draw, refused, useless = random.Random(3), 0, 0
    for seed in range(1, 90):
        instance = tiny(problem, "tiny", {}, seed)
        if refused > 60 or not covered(instance):
            continue
        result = brute(instance)
        certificate = placewise.certify(instance, result)
        honest, placement = certified(result, certificate), result.to_json()["placement"]
        for path in numbers_in(certificate):
            changed = copy.deepcopy(certificate)
            part = changed
            for key in path[:-1]:
                part = part[key]
            old = Fraction(part[path[-1]])
            new = old + draw.choice([1, Fraction(1, 1000), -old / 1000 or 1])
            part[path[-1]] = (
                str(new) if isinstance(part[path[-1]], str) else int(old + draw.choice([1, 1000]))
            )
            assert "was changed" in verdict_on(instance, placement, changed)
            changed["sha256"] = verifier.digest(changed)
            verdict = verdict_on(instance, placement, changed)
            assert isinstance(verdict, str) or verdict == honest, path
            refused, useless = refused + isinstance(verdict, str), useless + (verdict == honest)
    assert refused > 60
    assert useless < refused or problem == "head-migration"


#: What solvers claimed wrongly on the instances of `tests/instances/wrong`; None: that there is no placement.
FALSE_CLAIMS = {
    "throughput-stages-default": Fraction(6679, 10**6),
    "throughput-stages-units": Fraction(10),
    "scip-one-byte": Fraction(1),
    "cbc-to-the-byte": Fraction(527, 100),
    "cbc-false-infeasible": None,
    "cbc-preprocessing": None,
    "zero-compute-rounds-to-zero": Fraction(1, 10**6),
    "highs-enumeration": Fraction(7),
}


def believed(instance, claim):
    """Return the result of an exact method that claims so, which nothing else speaks against."""
    return verify(instance, "liar", Guarantee.EXACT, claim, tolerance=1e-6)


@pytest.mark.parametrize("problem", TINY)
@pytest.mark.parametrize("lie", ["worse", "bound_above", "false_infeasible"])
def test_planted_lies_cannot_be_certified(problem, lie):
    """Of exact methods that call another placement optimal, a bound too high proven, or a placement impossible."""
    lies = 0
    for seed in range(1, 40):
        instance = tiny(problem, "tiny", {"kind": "loose"}, seed)
        if lies == 3 or not covered(instance):
            continue
        known = problem_of(instance)
        seen = [known.evaluate(instance, placement) for placement in known.placements(instance)]
        costs = [evaluation.objective for evaluation in seen if evaluation.feasible]
        if not costs or (lie == "worse" and max(costs) <= min(costs) * 1.001):
            continue
        claim = getattr(planted_liars, lie)(instance, None)
        if lie == "bound_above":  # beside a placement its cost is certified, and no more
            claim = replace(claim, placement=None, objective=None)
        with pytest.raises(PlacewiseError, match=r"not excluded|no interval alone shows"):
            placewise.certify(instance, believed(instance, claim))
        lies += 1
    assert lies


@pytest.mark.parametrize("name", FALSE_CLAIMS)
def test_what_solvers_proved_wrongly_cannot_be_certified(name):
    """CP-SAT's false optimum and others': no certificate is made, neither is one that is written by hand accepted."""
    instance = placewise.read(WRONG / f"{name}.json")
    right = solve(instance, isolate=False)
    certificate = placewise.certify(instance, right)
    assert not isinstance(certified(right, certificate), str)
    claim = FALSE_CLAIMS[name]
    assert right.status is Status.OPTIMAL
    assert claim is None or claim > right.objective
    false = Claim(Reason.INFEASIBLE) if claim is None else Claim(Reason.LIMIT, None, None, float(claim))
    with pytest.raises(PlacewiseError, match="not excluded"):
        placewise.certify(instance, believed(instance, false))
    if claim is not None:
        with pytest.raises(verifier.RefusedError, match="not excluded"):
            proves(instance, claim, restated(instance, certificate, claim)["proofs"])


@pytest.mark.parametrize("path", sorted(VERIFIER.glob("*.py")), ids=lambda path: path.name)
def test_the_verifier_imports_the_standard_library_alone(path):
    """And its own modules: nothing of the package, no solver, no NumPy."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)
        assert getattr(node, "level", 0) in (0, 1)


def test_the_verifier_runs_where_nothing_is_installed(tmp_path):
    """A copy of its folder, without site packages, beside three files: a verdict, or what is wrong first."""
    shutil.copytree(VERIFIER, tmp_path / "verify_certificate")
    result = brute(placewise.read("hand-split"))
    (tmp_path / "instance.json").write_text(json.dumps(placewise.to_document(result.instance)))
    result.save(tmp_path / "result.json")
    certificate = placewise.certify(result.instance, result)

    def run():
        (tmp_path / "certificate.json").write_text(json.dumps(certificate))
        names = ["instance.json", "result.json", "certificate.json"]
        return subprocess.run(
            [sys.executable, "-S", "-m", "verify_certificate", *names],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.stdout == "the placement costs 7; nothing costs less than 7\n"
    certificate["bound"] = "7.5"
    done = run()
    assert done.returncode == 1
    assert done.stdout == "refused: sha256: the certificate was changed\n"


def test_solve_writes_and_check_takes_certificates(tmp_path, capsys):
    """Certified with one, claimed once without; refused if it is of another result."""
    result, certificate = str(tmp_path / "r.json"), str(tmp_path / "c.json.gz")
    assert main(["solve", "hand-split", "--output", result, "--certificate", certificate]) == 0
    assert "nothing costs less than 7 s" in capsys.readouterr().err
    assert main(["check", "hand-split", result, "--certificate", certificate]) == 0
    assert "holds, objective 7 s, certified" in capsys.readouterr().out
    assert main(["check", "hand-split", result]) == 0
    assert "claimed once" in capsys.readouterr().out
    assert main(["check", "hand-tie", "--split", "1,1,0", "--certificate", certificate]) == 1
    assert "the certificate is refused" in capsys.readouterr().out


def test_a_second_method_confirms(tmp_path, capsys):
    """Without a certificate: claimed twice, and by whom."""
    result = str(tmp_path / "r.json")
    assert main(["solve", "hand-split", "--output", result, "--confirm"]) == 0
    assert "comes to the same" in capsys.readouterr().err
    stated = json.loads(Path(result).read_text())
    assert stated["confirmed_by"]["method"] != stated["method"]
    assert main(["check", "hand-split", result]) == 0
    assert "claimed twice" in capsys.readouterr().out


def test_infeasible_is_certified(tmp_path, capsys):
    """That there is no placement is a proof like any other."""
    result, certificate = str(tmp_path / "r.json"), str(tmp_path / "c.json")
    name = "hand-infeasible-by-a-byte"
    assert main(["solve", name, "--output", result, "--certificate", certificate]) == 3
    assert main(["check", name, result, "--certificate", certificate]) == 0
    assert "no placement, proven: certified" in capsys.readouterr().out


def test_what_it_does_not_know_is_refused_by_name():
    """A key that the verifier does not read might change what a placement may be."""
    document = instance_document(placewise.read("hand-split"))
    document["requests"] = {}
    with pytest.raises(verifier.RefusedError, match=r"instance\.requests"):
        verifier.PROBLEMS["edgeshard-latency"](document)


def test_the_problem_is_solved_whoever_asks():
    """Certificates are made from the instance and the claim, whatever the method."""
    instance = placewise.read("hand-revisit")
    for method in ("brute-force", "labels"):
        result = solve(instance, method, isolate=False)
        assert problem_of(instance).evaluate(instance, result.placement).feasible
        assert not isinstance(certified(result, placewise.certify(instance, result)), str)
