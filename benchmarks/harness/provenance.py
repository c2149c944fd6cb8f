"""What a time depends on: processor, cores, system, and which placewise it was."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import tomllib
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

NAME = "placewise"
#: Of this file below the folder that holds the package, installed and in a source tree.
_INSTALLED = "placewise/benchmarks/harness/provenance.py"


@lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """Return processor, cores, system, and placewise's own version and commit."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(
            (line.partition(":")[2].strip() for line in lines if "model name" in line), processor
        )
    here = Path(__file__).resolve()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "version": _version(),
        "commit": checkout_commit(here) or installed_commit(here),
    }


def _version() -> str | None:
    try:
        return distribution(NAME).version
    except PackageNotFoundError:  # a source tree that is not installed
        return None


def checkout_commit(file: Path) -> str | None:
    """Return the commit of the checkout of placewise that a source file belongs to.

    None for a file in another project's repository, be it that project's own, copied into it, or in an environment
    inside it; and in an environment inside placewise's own checkout, whose files git does not track.
    """
    top = _git(file.parent, "rev-parse", "--show-toplevel")
    if top is None or _git(file.parent, "ls-files", "--error-unmatch", "--", file.name) is None:
        return None
    try:
        project = tomllib.loads((Path(top) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] != NAME:
            return None
    except (OSError, ValueError, LookupError, TypeError):  # no project of Python
        return None
    return _git(file.parent, "rev-parse", "HEAD")


def installed_commit(file: Path, installed: Distribution | None = None) -> str | None:
    """Return the commit that an installer says it built a package from, if the source file is that package's."""
    try:
        installed = installed or distribution(NAME)
        if Path(str(installed.locate_file(_INSTALLED))).resolve() != file:
            return None
        stated = json.loads(installed.read_text("direct_url.json") or "{}")
        commit = stated["vcs_info"]["commit_id"]
    except (PackageNotFoundError, OSError, ValueError, LookupError, TypeError):
        return None
    return commit if isinstance(commit, str) else None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says about a folder; variables that name another repository are not passed on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10, env=environment, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()
