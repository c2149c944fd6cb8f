"""What a shell completes: names of instances, methods, devices and suites beside files, from `placewise --print-completion`.

`shtab` writes the scripts. Names stand in them, as they were when the shell started: no key press waits for Python.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable


def add_to(top: argparse.ArgumentParser) -> None:
    """Add the option that prints the script.

    Parameters
    ----------
    top : ArgumentParser
        Before its commands are added.
    """
    import shtab

    shtab.add_argument_to(
        top, help='print the completion of a shell: eval "$(placewise --print-completion bash)"'
    )


def complete_names(command: argparse.ArgumentParser) -> None:
    """Say what the arguments of a command complete to, by the word that stands for their value in its help.

    Parameters
    ----------
    command : ArgumentParser
        With all of its arguments.
    """
    actions: list[Any] = command._actions  # noqa: SLF001 - argparse has no other name for it
    for action in actions:
        word = action.metavar if isinstance(action.metavar, str) else ""
        kind = OWN.get(action.dest) or next((kind for kind, words in WORDS.items() if word in words), None)
        if kind is not None and action.type in (None, Path) and not action.choices:
            action.complete = COMPLETIONS[kind]()


def _instances() -> list[str]:
    from placewise.instances import shipped_instances
    from placewise.instances.library import library

    return sorted({*shipped_instances(), *library()})


def _library() -> list[str]:
    from placewise.instances.library import library

    return sorted(library())


def _methods() -> list[str]:
    from placewise.models.registry import problems
    from placewise.solvers.registry import methods_of

    return sorted({name for problem in problems() for name in methods_of(problem)})


def _problems() -> list[str]:
    from placewise.models.registry import problems

    return list(problems())


def _formulations() -> list[str]:
    from placewise.models.registry import problem_named, problems

    return sorted({name for problem in problems() for name in problem_named(problem).formulations})


def _families() -> list[str]:
    from placewise.instances.registry import formats

    return sorted({name for described in formats().values() for name in described.families})


def _devices() -> list[str]:
    from placewise.instances.catalogue import catalogued

    return catalogued("devices")


def _suites() -> list[str]:
    from placewise.benchmarks.harness.suites import shipped_suites

    return list(shipped_suites())


def _completion(
    kind: str, names: Iterable[str], *, files: bool = False, listed: bool = False
) -> dict[str, Any]:
    """Return what `shtab` takes: a function per shell, and what defines it.

    Parameters
    ----------
    kind : str
        Name of the functions.
    names : iterable of str
        What there is.
    files : bool
        Whether a file may be given as well.
    listed : bool
        Whether several are given with commas between them.
    """
    words, name = shlex.join(names), f"_placewise_{kind}"
    known = f"local names=({words})"
    bash = [f"{name}() {{", f"  {known}"]
    if listed:
        bash += ['  local last="${1##*,}"', '  compgen -P "${1%"$last"}" -W "${names[*]}" -- "$last"']
    else:
        bash += ['  compgen -W "${names[*]}" -- "$1"']
    bash += ['  compgen -f -- "$1"'] if files else []
    zsh = [f"{name}() {{", f"  {known}"]
    if listed:
        zsh += [f"  _values -s , {kind} $names"]
    elif files:
        zsh += [f"  _alternative '{kind}:{kind}:compadd -a names' 'files:file:_files'"]
    else:
        zsh += ["  compadd -a names"]
    fish = [f"function {name}", f"  printf '%s\\n' {words}"]
    fish += ["  __fish_complete_path (commandline -ct)"] if files else []
    return {
        "bash": name,
        "zsh": name,
        "fish": f"({name})",
        "tcsh": "f" if files else f"`echo {words}`",
        "powershell": "_shtab_powershell_compgen_files" if files else "",
        "preamble": {
            "bash": "\n".join([*bash, "}"]),
            "zsh": "\n".join([*zsh, "}"]),
            "fish": "\n".join([*fish, "end"]),
        },
    }


def _files() -> Any:
    import shtab

    return shtab.FILE


def _folders() -> Any:
    import shtab

    return shtab.DIRECTORY


#: What the arguments of these names stand for, whatever their word.
OWN = {"names": "library", "instance": "instances"}
#: What the words of the commands' help stand for.
WORDS = {
    "instances": ("INSTANCE", "MODEL", "[INSTANCE] RESULT"),
    "methods": ("M", "A,B"),
    "problems": ("PROBLEM", "P"),
    "families": ("FAMILY",),
    "formulations": ("FORMULATION",),
    "devices": ("WORD",),
    "suites": ("SUITE",),
    "files": ("F", "FILE", "RESULT", "SRC"),
    "folders": ("DIR",),
}
COMPLETIONS: dict[str, Callable[[], Any]] = {
    "instances": lambda: _completion("instances", _instances(), files=True),
    "library": lambda: _completion("library", _library()),
    "methods": lambda: _completion("methods", _methods(), listed=True),
    "problems": lambda: _completion("problems", _problems()),
    "families": lambda: _completion("families", _families()),
    "formulations": lambda: _completion("formulations", _formulations()),
    "devices": lambda: _completion("devices", _devices()),
    "suites": lambda: _completion("suites", _suites(), files=True),
    "files": _files,
    "folders": _folders,
}
