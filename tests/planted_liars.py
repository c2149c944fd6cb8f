"""Exact methods that lie on purpose, for every problem: worker processes import them by name."""

from placewise.instances.generators import generate
from placewise.models.registry import problem_of
from placewise.solvers import solve
from placewise.solvers.evidence.result import Claim, Reason

SEEDS = {}


def best(instance):
    return solve(instance, "brute-force", isolate=False)


def worse(instance, context):
    """Call a feasible placement optimal that is not the best one."""
    problem, truth = problem_of(instance), best(instance)
    for placement in problem.placements(instance):
        evaluation = problem.evaluate(instance, placement)
        if evaluation.feasible and evaluation.objective > truth.objective * 1.001:
            return Claim(Reason.OPTIMAL, placement, evaluation.objective, evaluation.objective)
    raise AssertionError("choose another instance")


def bound_above(instance, context):
    """Return the best placement with a bound that nothing can have."""
    truth = best(instance)
    return Claim(Reason.LIMIT, truth.placement, truth.objective, truth.objective * 1.5)


def false_infeasible(instance, context):
    return Claim(Reason.INFEASIBLE, message="planted")


def overloads(instance, context):
    """Call a placement optimal that breaks a constraint."""
    problem = problem_of(instance)
    for placement in problem.placements(instance):
        evaluation = problem.evaluate(instance, placement)
        if not evaluation.feasible:
            return Claim(Reason.OPTIMAL, placement, evaluation.objective or 0.0, 0.0)
    raise AssertionError("choose another instance")


def instance_of(problem):
    """Return a tiny instance with feasible placements of different cost, and infeasible ones."""
    if problem not in SEEDS:
        for seed in range(200):
            instance = generate(problem, "tiny", seed=seed, kind="tight")
            evaluations = [
                problem_of(instance).evaluate(instance, placement)
                for placement in problem_of(instance).placements(instance)
            ]
            costs = [e.objective for e in evaluations if e.feasible]
            if costs and max(costs) > 1.01 * min(costs) and len(costs) < len(evaluations):
                SEEDS[problem] = seed
                break
    return generate(problem, "tiny", seed=SEEDS[problem], kind="tight")
