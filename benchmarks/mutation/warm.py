"""Fork a pytest that has collected its tests already, and exchange functions' code there.

Importing the package and collecting tests takes longer than the test that kills; here it is done once. Only tests that
call a changed function are run. What a test module computes with it while it is imported stays as it was: a mutant can
thereby survive, never be killed, without reason.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import resource
import signal
import sys
import threading
import time
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Limits of what a mutant's tests take, in seconds of a processor and of the clock, and as multiples of what they take
#: without it; a loaded machine spends the clock alone.
LEAST_LIMIT_S, LIMIT_FACTOR = 5.0, 4.0
LEAST_WALL_S, WALL_FACTOR = 120.0, 40.0
#: Seconds of a processor for one test beside the multiple: it may be the first that computes what others keep.
ONE_TEST_S = 10.0
#: Tests of other modules are tried up to so many seconds in all.
OTHERS_S = 15.0


#: The type of what ``lru_cache`` returns.
_Kept = type(functools.lru_cache(len))


class Patch:
    """The functions of a module whose code a mutant changes.

    Parameters
    ----------
    path : str
        The module's file.
    source, mutated : str
        Its text, and that of the mutant.
    tests : sequence of str
        Test files, or single tests, that are the module's own.

    Raises
    ------
    ValueError
        Where more than code of functions differs: a constant, a default, a decorator.
    """

    def __init__(self, path: str, source: str, mutated: str, tests: Sequence[str]) -> None:
        before, after = (_codes(compile(text, path, "exec", dont_inherit=True)) for text in (source, mutated))
        if [name for name, _ in before] != [name for name, _ in after]:
            raise ValueError("other functions")
        names = [name for name, _ in before]
        pairs = [(a, b) for (_, a), (_, b) in zip(before, after, strict=True) if _meaning(a) != _meaning(b)]
        if any(not a.co_flags & 2 for a, _ in pairs):  # CO_NEWLOCALS: not a module, nor the body of a class
            raise ValueError("more than functions")
        self.path, self.tests = path, tuple(tests)
        #: The file with qualified names of what is changed, functions around it in their place.
        self.names = {(path, a.co_qualname.split(".<locals>")[0]) for a, _ in pairs}
        self._codes = {name: code for name, code in after if (path, name.split(".<locals>")[0]) in self.names}
        if any(names.count(name) > 1 and "<locals>" not in name for name in self._codes):
            raise ValueError("two functions of one name")

    def apply(self, there: dict[tuple[str, str], list[FunctionType]]) -> None:
        """Exchange the code of functions, which are given by file and qualified name."""
        for name, code in self._codes.items():
            for function in there.get((self.path, name), ()):
                function.__code__ = code


def _codes(code: CodeType) -> list[tuple[str, CodeType]]:
    """Return a code object and all within, by qualified name."""
    inner = [pair for const in code.co_consts if isinstance(const, CodeType) for pair in _codes(const)]
    return [(code.co_qualname, code), *inner]


def _meaning(code: CodeType) -> tuple[Any, ...]:
    """Return what a code object does, without where its lines are and without what stands within."""
    consts = tuple((type(c), repr(c)) for c in code.co_consts if not isinstance(c, CodeType))
    return code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_exceptiontable


class Tests:
    """A pytest plugin that runs the collected tests once for each mutant, each time in a fork.

    Parameters
    ----------
    patches : sequence of (int, Patch or None)
        The mutants, each with a number; None where the module was imported as the mutant.
    root : str
        The repository.
    paths : collection of str
        Files of the modules that are mutated.
    told : int
        File descriptor that a line of JSON per mutant is written to: number, outcome, by which test.
    took_s : dict
        What each test takes, if that is known; otherwise all run without a mutant first, and the line of number -1
        has it. Tests that fail then are left out.
    """

    def __init__(
        self,
        patches: Sequence[tuple[int, Patch | None]],
        root: str,
        paths: Sequence[str],
        told: int,
        took_s: dict[str, float] | None = None,
    ) -> None:
        self._root, self._paths, self._told = root, frozenset(paths), told
        self._patches = patches if took_s is not None else [(-1, None), *patches]
        self._calls: dict[str, set[tuple[str, str]]] = {}
        self._took_s = took_s or {}
        self._kills: dict[str, int] = {}
        self._functions: dict[tuple[str, str], list[FunctionType]] = {}
        self._kept: list[Any] = []
        self._results = -1
        self._watching, self._watched, self._limited = "", False, False

    def _look_round(self) -> None:
        """Find the modules' functions, and what keeps results of this package and its tests."""
        for thing in gc.get_objects():
            if type(thing) is FunctionType and thing.__code__.co_filename in self._paths:
                key = thing.__code__.co_filename, thing.__code__.co_qualname
                self._functions.setdefault(key, []).append(thing)
            elif type(thing) is _Kept:
                code = getattr(thing.__wrapped__, "__code__", None)
                path = "" if code is None else code.co_filename
                if path.startswith(self._root) and ".venv" not in path:
                    self._kept.append(thing)

    def _forget(self) -> None:
        for kept in self._kept:
            kept.cache_clear()

    def pytest_runtestloop(self, session: Any) -> object:
        """Fork for the tests without a mutant, then for each mutant; go on with pytest's own loop in the fork."""
        if session.testsfailed:
            self._tell(self._patches[0][0], "killed", "collection")
            os._exit(1)
        self._look_round()
        for number, patch in self._patches:
            chosen = self._chosen(session.items, patch, all_of_them=number < 0)
            if not chosen:
                self._tell(number, "survived", "")
                continue
            reading, self._results = os.pipe()
            child = os.fork()
            if child == 0:
                os.setpgrp()
                os.close(reading)
                session.items[:] = chosen
                if number < 0:
                    session.config.option.maxfail = 0
                    self._watch()
                else:
                    self._limit(chosen)
                if patch is not None:
                    patch.apply(self._functions)
                    self._forget()
                return None
            os.close(self._results)
            if number < 0:
                self._learn(child, reading)
            else:
                self._follow(number, child, reading, [item.nodeid for item in chosen])
        os._exit(0)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which test runs, and limit it."""
        if self._watched:
            self._forget()
        if self._limited:
            limit_s = time.process_time() + ONE_TEST_S + LIMIT_FACTOR * self._took_s[nodeid]
            _, most_s = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (min(int(limit_s) + 1, most_s), most_s))
        self._watching = nodeid
        self._calls[nodeid] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Say what a test came to."""
        if report.when == "teardown" or report.failed:
            called = sorted(self._calls[report.nodeid])
            line = json.dumps([report.nodeid, report.failed, time.process_time(), called]) + "\n"
            os.write(self._results, line.encode())

    def pytest_unconfigure(self) -> None:
        """End a fork."""
        os._exit(0)

    def _chosen(self, items: Sequence[Any], patch: Patch | None, *, all_of_them: bool) -> list[Any]:
        """Return the tests for a mutant, those that kill most per second first."""
        if all_of_them:
            return list(items)
        known = [item for item in items if item.nodeid in self._took_s]
        known.sort(key=lambda item: -self._worth(item.nodeid))
        if patch is None:
            return known
        chosen, others_s = [], 0.0
        for item in known:
            if not self._calls[item.nodeid] & patch.names:
                continue
            if not item.nodeid.startswith(patch.tests):
                others_s += self._took_s[item.nodeid]
                if others_s > OTHERS_S:
                    continue
            chosen.append(item)
        return chosen

    def _watch(self) -> None:
        """Note which functions of the modules each test calls."""

        def called(frame: Any, event: str, argument: object) -> None:
            del event, argument  # of calls alone: None asks for no more
            code = frame.f_code
            if code.co_filename in self._paths and self._watching:
                self._calls[self._watching].add((code.co_filename, code.co_qualname.split(".<locals>")[0]))

        self._watched = True
        threading.settrace(called)
        sys.settrace(called)

    def _limit(self, chosen: Sequence[Any]) -> None:
        limit_s = max(LEAST_LIMIT_S, LIMIT_FACTOR * sum(self._took_s[item.nodeid] for item in chosen))
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + limit_s) + 1,) * 2)
        self._limited = True

    def _worth(self, test: str) -> float:
        return (1 + self._kills.get(test, 0)) / (self._took_s[test] + 0.02)

    def _learn(self, child: int, reading: int) -> None:
        """Read what each test takes and calls without a mutant."""
        before_s, failed = 0.0, []
        with os.fdopen(reading) as lines:
            for line in lines:
                test, bad, used_s, called = json.loads(line)
                if bad:
                    failed.append(test)
                else:
                    self._calls[test] = {(path, name) for path, name in called}
                    self._took_s[test] = max(0.0, used_s - before_s)
                before_s = used_s
        _end(child)
        os.waitpid(child, 0)
        for test in failed:
            self._took_s.pop(test, None)
        self._tell(-1, ", ".join(failed), self._took_s)

    def _follow(self, number: int, child: int, reading: int, tests: Sequence[str]) -> None:
        """Read what a fork says until it ends; end it when it takes too long, or after the first failure."""
        wall_s = max(LEAST_WALL_S, WALL_FACTOR * sum(self._took_s[test] for test in tests))
        timer = threading.Timer(wall_s, _end, (child,))
        timer.start()
        failed, passed = "", 0
        with os.fdopen(reading) as lines:
            for line in lines:
                test, bad, _, _ = json.loads(line)
                if bad:
                    failed = test
                    break
                passed += 1
                if passed == len(tests):
                    break
        timer.cancel()
        _end(child)
        _, status = os.waitpid(child, 0)
        if failed:
            self._kills[failed] = self._kills.get(failed, 0) + 1
            self._tell(number, "killed", failed)
        elif passed == len(tests):
            self._tell(number, "survived", "")
        elif os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXCPU):
            self._tell(number, "timeout", tests[passed])
        else:
            self._tell(number, "killed", f"status {status} in {tests[passed]}")

    def _tell(self, number: int, outcome: str, by: object) -> None:
        os.write(self._told, (json.dumps([number, outcome, by]) + "\n").encode())


def _end(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
