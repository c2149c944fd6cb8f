"""Say which mutants of the modules that proofs rest on no test notices.

``python -m placewise.benchmarks.mutation [--module M ...] [--planted] [--sample N --seed S] [--output F] [--again F]``

Needs a checkout with its tests, and the extra ``mutation``. Prints killed, survived and the share per module; a survivor
is explained in ``survivors.json`` or is a failure (exit status 1).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

try:
    from placewise.benchmarks.mutation.mutants import Mutant, mutants, planted
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

    preload()
    print(f"{'module':45}  mutants  killed  explained  open  killed %")
    totals = [0, 0, 0]
    survivors: list[str] = []
    for module in chosen:
        source = (ROOT / module).read_text(encoding="utf-8")
        left_out = (tuple(targets[key].get(module, ())) for key in ("speed", "steering"))
        by_hand = planted(module, source, targets["planted"].get(module, []))
        made = [] if options.planted else mutants(module, source, *left_out)
        stale = {key for key in explained if key.startswith(f"{module}: ")} - {mutant.key for mutant in made}
        stale = set() if options.planted else stale
        survivors += [f"explained, but no longer there: {key}" for key in sorted(stale)]
        if again is not None:
            made = [mutant for mutant in made if mutant.key in again]
        if options.sample is not None and options.sample < len(made):
            made = random.Random(f"{options.seed} {module}").sample(made, options.sample)  # noqa: S311
        made = by_hand + made if again is None else made
        lived = _run(module, made, targets["modules"][module], options.output) if made else []
        known = sum(key in explained for key in lived)
        survivors += [key for key in lived if key not in explained]
        row = len(made), len(made) - len(lived), known
        totals = [a + b for a, b in zip(totals, row, strict=True)]
        _print_row(module, *row)
    _print_row("all", *totals)
    for line in survivors:
        print(line)
    return 1 if survivors else 0


def _run(module: str, made: list[Mutant], tests: list[str], output: Path | None) -> list[str]:
    runner = Runner(ROOT, module, tests)
    lived = []
    for mutant in made:
        outcome, by = runner.outcome(mutant.source)
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


def _print_row(name: str, count: int, killed: int, known: int) -> None:
    share = 100 * killed / count if count else 100.0
    print(
        f"{name:45}  {count:7}  {killed:6}  {known:9}  {count - killed - known:4}  {share:8.1f}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
