"""Say which mutants of the modules that proofs rest on no test notices.

``python -m placewise.benchmarks.mutation [--module M ...] [--planted] [--sample N | --total N] [--seed S] [--output F] [--again F]``

Needs a checkout with its tests, and the extra ``mutation``. Prints killed, survived and the share per module; a survivor
is explained in ``survivors.json`` or is a failure (exit status 1).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

try:
    from placewise.benchmarks.mutation.mutants import Mutant, Site, mutant_at, planted, sites
except ImportError:  # the extra is for this command alone
    sys.exit("mutation: expected cosmic-ray: pip install 'placewise[mutation]'")
from placewise.benchmarks.mutation.runner import Runner, preload

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m placewise.benchmarks.mutation", description=__doc__)
    parser.add_argument("--module", action="append", help="a path, or the start of one; default: all")
    parser.add_argument("--planted", action="store_true", help="only the changes listed by hand")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants of each module, at random")
    parser.add_argument("--total", type=int, metavar="N", help="N mutants of all modules together, at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="F", help="append a line of JSON per mutant")
    parser.add_argument("--again", type=Path, metavar="F", help="only what survived in such a file")
    options = parser.parse_args(arguments)
    targets: dict[str, Any] = json.loads((HERE / "targets.json").read_text(encoding="utf-8"))
    explained: dict[str, str] = json.loads((HERE / "survivors.json").read_text(encoding="utf-8"))
    chosen = [
        module
        for module in targets["modules"]
        if not options.module or any(module.startswith(prefix) for prefix in options.module)
    ]
    if not chosen:
        parser.error(f"no module starts with {' or '.join(options.module)}")
    again = None if options.again is None else _survivors(options.again)

    survivors: list[str] = []
    by_hand: list[Mutant] = []
    places: list[list[Site]] = []
    for module in chosen:
        source = (ROOT / module).read_text(encoding="utf-8")
        by_hand += planted(module, source, targets["planted"].get(module, []))
        left_out = (tuple(targets[key].get(module, ())) for key in ("speed", "steering"))
        asked = again is None or any(key.startswith(f"{module}: ") for key in again)
        places.append(sites(module, source, *left_out) if asked and not options.planted else [])
    if options.total is not None:
        made = _drawn(places, options.total, options.seed)
    elif options.sample is not None:
        made = by_hand + [m for each in places for m in _drawn([each], options.sample, options.seed)]
    else:
        made = _drawn(places, sum(map(len, places)), options.seed)
        there = {mutant.key for mutant in made}
        if not options.planted and again is None:
            known = [key for key in explained if key.split(":")[0] in chosen]
            survivors += [f"explained, but no longer there: {key}" for key in known if key not in there]
        made = by_hand + made if again is None else [mutant for mutant in made if mutant.key in again]
    lived = _run(made, targets, options.output)
    _print_table(made, lived, explained)
    survivors += [key for key in lived if key not in explained]
    for line in survivors:
        print(line)
    return 1 if survivors else 0


def _drawn(places: list[list[Site]], count: int, seed: int) -> list[Mutant]:
    """Return so many mutants of some modules, in the order of their places."""
    pool = [(n, index) for n, each in enumerate(places) for index in range(len(each))]
    random.Random(seed).shuffle(pool)  # noqa: S311
    made: dict[tuple[int, int], Mutant] = {}
    for n, index in pool:
        if len(made) >= count:
            break
        mutant = mutant_at(places[n], index)
        if mutant is not None:
            made[n, index] = mutant
    return [made[key] for key in sorted(made)]


def _run(made: list[Mutant], targets: dict[str, Any], output: Path | None) -> list[str]:
    preload()
    lived = []
    for number, outcome, by in Runner(ROOT, targets["modules"], targets["wider"]).outcomes(made):
        if number < 0:
            print(by, flush=True)
            continue
        mutant = made[number]
        if outcome == "survived":
            lived.append(mutant.key)
        if output is not None:
            with output.open("a", encoding="utf-8") as file:
                line = {"key": mutant.key, "operator": mutant.operator, "outcome": outcome, "by": by}
                file.write(json.dumps(line) + "\n")
    return lived


def _survivors(path: Path) -> set[str]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["key"] for line in lines if line["outcome"] == "survived"}


def _print_table(made: list[Mutant], lived: list[str], explained: dict[str, str]) -> None:
    """Print what was killed by module, and of all what share of those that no explanation excuses."""
    print(f"{'module':45}  mutants  killed  explained  open  killed %")
    count = Counter(mutant.module for mutant in made)
    left = Counter(key.split(":")[0] for key in lived)
    known = Counter(key.split(":")[0] for key in lived if key in explained)
    for name in [*count, "all"]:
        total, survived, excused = (
            each.total() if name == "all" else each[name] for each in (count, left, known)
        )
        killed, asked = total - survived, total - excused
        share = 100 * killed / asked if asked else 100.0
        print(f"{name:45}  {total:7}  {killed:6}  {excused:9}  {survived - excused:4}  {share:8.1f}")
    killed = len(made) - len(lived)
    for asked, of_what in ((len(made), "all"), (len(made) - known.total(), "all but the explained ones")):
        low, high = _wilson(killed, asked)
        print(
            f"killed of {of_what}: {killed} of {asked}, 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
        )


def _wilson(killed: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, Wilson (1927)."""
    from scipy.stats import binomtest

    if not asked:
        return 0.0, 1.0
    interval = binomtest(killed, asked).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


if __name__ == "__main__":
    sys.exit(main())
