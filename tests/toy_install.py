"""The toy package as an installed one, without a network or a build.

What an installer leaves of a pure Python package is its modules and a ``dist-info`` folder on the path; that is made
here from the package's own pyproject.toml, and `importlib.metadata` finds its entry points there.

As a script: runs commands of placewise one after the other in this process, and prints status and output of each.
"""

import contextlib
import io
import json
import os
import sys
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parent / "toy_package"


def install(folder):
    """Write the ``dist-info`` folder; return what PYTHONPATH needs."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return os.pathsep.join([str(folder), str(PACKAGE)])


def perform(commands):
    """Return exit status, standard output and standard error of each command."""
    from placewise.cli.main import main

    done = []
    for command in commands:
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                status = main(command)
            except SystemExit as stop:
                status = stop.code
        done.append([status, out.getvalue(), error.getvalue()])
    return done


if __name__ == "__main__":
    print(json.dumps(perform(json.loads(sys.stdin.read()))))
