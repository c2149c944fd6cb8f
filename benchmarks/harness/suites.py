"""Suites as frozen specifications: which method on which instance, with which seed and limits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from placewise.instances import read
from placewise.instances.files import exists, read_json
from placewise.instances.generation import generate
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant
from placewise.solvers.registry import comparison_methods, default_method, find_method, methods_of

SUITES = Path(__file__).parents[1] / "suites"
#: Instead of names: every method that `compare` runs, every back-end on every statement, the default one.
ALL, BACKEND_METHODS, DEFAULT = "all", "back-ends", "default"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class GeneratedSpec(_Part):
    """Generated instances: one per seed."""

    problem: str
    family: str
    seeds: Annotated[list[int], Field(min_length=1)]
    options: dict[str, int | float | str] = {}


class EntrySpec(_Part):
    """Instances times methods times seeds."""

    group: str
    instances: Annotated[list[str | GeneratedSpec], Field(min_length=1)]
    methods: Annotated[list[str], Field(min_length=1)]
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class SuiteSpec(_Part):
    """A suite file."""

    format: Literal["placewise-suite/1"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    description: str = ""
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    relative_gap: Annotated[float, Field(ge=0, le=1)] = 1e-6
    threads: Annotated[int, Field(ge=1)] | None = None
    memory_limit_bytes: Annotated[int, Field(ge=1)] | None = None
    certify: bool = False
    entries: Annotated[list[EntrySpec], Field(min_length=1)]


@dataclass(frozen=True)
class RunSpec:
    """One run.

    Parameters
    ----------
    group : str
        Under which the report shows it.
    instance : str or dict
        A shipped name or path, or a generator's problem, family, seed and options.
    method : str
        A name of `placewise methods`, or a user's ``module:function``.
    seed : int
        Of the solver.
    time_limit, relative_gap, threads, memory_limit_bytes
        See `Parameters`.
    certify : bool
        Whether a proof is certified afterwards, where it can be.
    """

    group: str
    instance: Any
    method: str
    seed: int
    time_limit: float
    relative_gap: float
    threads: int | None
    memory_limit_bytes: int | None
    certify: bool = False

    @property
    def key(self) -> str:
        """Name of the run: equal specifications have equal keys."""
        stated = asdict(self)
        if not self.certify:  # as before there was such a thing
            del stated["certify"]
        text = json.dumps(stated, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def load(self) -> Any:
        """Read or generate the instance."""
        return load_instance(self.instance)


def load_instance(source: Any) -> Any:
    """Return the instance of a run's specification."""
    if isinstance(source, str):
        return read(source)
    return generate(source["problem"], source["family"], seed=source["seed"], **source["options"])


def shipped_suites() -> dict[str, Path]:
    """Return the file of each shipped suite by name."""
    return {path.stem: path for path in sorted(SUITES.glob("*.json"))}


def read_suite(source: str) -> SuiteSpec:
    """Read a shipped suite by name, or a suite file.

    Raises
    ------
    PlacewiseError
        In one line: no such suite, or the path of a wrong value and what was expected.
    """
    shipped = shipped_suites()
    if source not in shipped and not exists(Path(source)):
        raise PlacewiseError(
            f"{source}: no such file, and no suite of that name{meant(source, shipped)} ({', '.join(shipped)})"
        )
    try:
        return SuiteSpec.model_validate(read_json(shipped.get(source, Path(source))))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in detail["loc"])
        raise PlacewiseError(f"{source}: {path}: {detail['msg'][:200]}") from None


def with_methods(suite: SuiteSpec, names: list[str]) -> SuiteSpec:
    """Return a suite with other methods; entries whose problem has none of them are left out.

    Raises
    ------
    PlacewiseError
        When no entry is left.
    """
    entries = []
    for entry in suite.entries:
        problems = {load_instance(source).problem for source in _sources(entry)}
        known = [name for name in names if all(_is_method(problem, name) for problem in problems)]
        if known:
            entries.append(entry.model_copy(update={"methods": known}))
    if not entries:
        problems = {load_instance(each).problem for entry in suite.entries for each in _sources(entry)}
        there = dict.fromkeys(name for problem in sorted(problems) for name in methods_of(problem))
        near = meant(names[0], there) if len(names) == 1 else ""
        raise PlacewiseError(f"--methods: no problem of the suite has one of {', '.join(names)}{near}")
    return suite.model_copy(update={"entries": entries})


def _is_method(problem: str, name: str) -> bool:
    return name in (ALL, BACKEND_METHODS, DEFAULT) or ":" in name or name in methods_of(problem)


def _sources(entry: EntrySpec) -> list[Any]:
    """Return the instances of an entry, one by one."""
    sources: list[Any] = []
    for stated in entry.instances:
        if isinstance(stated, GeneratedSpec):
            common = stated.model_dump(exclude={"seeds"})
            sources += [common | {"seed": seed} for seed in stated.seeds]
        else:
            sources.append(stated)
    return sources


def expand(suite: SuiteSpec) -> list[RunSpec]:
    """Return the runs of a suite, each once, in order."""
    runs: dict[str, RunSpec] = {}
    for entry in suite.entries:
        for source in _sources(entry):
            for method in _methods(entry.methods, source):
                for seed in entry.seeds:
                    run = RunSpec(
                        group=entry.group,
                        instance=source,
                        method=method,
                        seed=seed,
                        time_limit=entry.time_limit or suite.time_limit,
                        relative_gap=suite.relative_gap,
                        threads=suite.threads,
                        memory_limit_bytes=suite.memory_limit_bytes,
                        certify=suite.certify,
                    )
                    runs[run.key] = run
    return list(runs.values())


def _methods(names: list[str], source: Any) -> list[str]:
    instance = load_instance(source)
    found: list[str] = []
    for name in names:
        if name == ALL:
            found += [m.name for m in comparison_methods(instance.problem) if not m.missing]
        elif name == BACKEND_METHODS:
            methods = methods_of(instance.problem).values()
            found += [m.name for m in methods if m.backend is not None and not m.missing]
        elif name == DEFAULT:
            found.append(default_method(instance).name)
        else:
            found.append(find_method(instance.problem, name).name)
    return list(dict.fromkeys(found))
