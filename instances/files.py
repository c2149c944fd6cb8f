"""Reading and writing instance files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances import schema, strict_json
from placewise.instances.registry import format_named, formats
from placewise.instances.shipped import shipped_instances, shipped_path
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.models.problem import Instance


def read(source: str | Path | Mapping[str, Any]) -> Instance:
    """Read an instance.

    Parameters
    ----------
    source : str, Path or mapping
        A path, ``-`` for standard input, the name of a shipped instance or of one in the library, or what an instance
        file has, as a dict.

    Returns
    -------
    instance
        Of the class of its problem, e.g. `EdgeShardLatency`; equal to the same one made in Python.

    Raises
    ------
    PlacewiseError
        In one line: a file that is missing or unreadable, or the path of a wrong value and what was expected.
    """
    if isinstance(source, Mapping):
        return from_document(dict(source))
    if isinstance(source, str) and not exists(Path(source)) and shipped_path(source) is None:
        from placewise.instances.library import library

        if source in library():
            return library()[source].instance()
    with blaming(source):
        return from_document(strict_json.loads(read_text(source)))


def read_json(source: str | Path) -> Any:
    """Return the document of a JSON file, or raise one line that names the file."""
    with blaming(source):
        return strict_json.loads(read_text(source))


@contextmanager
def blaming(*sources: str | Path) -> Iterator[None]:
    """Put the names of files before what is wrong in them."""
    try:
        yield
    except InstanceError as error:
        raise PlacewiseError(f"{', '.join(map(str, sources))}: {error}") from None


def read_text(source: str | Path) -> str:
    """Return the text of a path, of ``-``, or of a shipped instance, in at most `strict_json.LARGEST_BYTES`."""
    limit = strict_json.LARGEST_BYTES
    path = None if str(source) == "-" else Path(source)
    if path is not None and not exists(path):
        path = shipped_path(str(source))
        if path is None:
            raise PlacewiseError(
                f"{source}: no such file, and no shipped instance of that name{meant(str(source), shipped_instances())} "
                "(see: placewise instances, placewise library)"
            )
    try:
        if path is None:
            raw = _standard_input(limit + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(limit + 1)
        if raw.startswith(b"GGUF"):
            raise PlacewiseError(f"{source}: a GGUF file is no instance yet: expected --cluster with it")
        if len(raw) > limit:
            raise PlacewiseError(f"{source}: larger than {limit // 2**20} MiB")
        return raw.decode("utf-8")
    except OSError as error:
        raise PlacewiseError(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PlacewiseError(f"{source}: not UTF-8 at byte {error.start}") from None


def _standard_input(most: int) -> bytes:
    if sys.stdin is None:
        raise PlacewiseError("-: the standard input is closed")
    buffer = getattr(sys.stdin, "buffer", None)
    return buffer.read(most) if buffer else sys.stdin.read(most).encode()  # a caller may put a text there


def exists(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have names none."""
    try:
        return path.exists()
    except OSError:
        return False


def from_document(document: Any) -> Instance:
    """Build an instance from a parsed document; raise `InstanceError` with the path of what is wrong."""
    spec = schema.parse(document)
    instance: Instance = formats()[document["problem"]].build(spec)
    return instance


def to_document(instance: Instance) -> dict[str, Any]:
    """Return an instance as a document that `read` takes back, bit for bit."""
    return format_named(instance.problem).document(instance)


def write(instance: Instance, target: str | Path) -> None:
    """Write an instance file that `read` takes back as an equal instance: whole or not at all.

    Parameters
    ----------
    instance : Instance
        Of any problem.
    target : str or Path
        The file, overwritten if it exists.

    Raises
    ------
    InstanceError
        For what no file may say, as a name that is not printable.
    PlacewiseError
        When the file cannot be written.
    """
    document = to_document(instance)
    schema.parse(document)
    write_text(target, json.dumps(document, indent=1) + "\n")


def write_text(target: str | Path, text: str) -> None:
    """Write a text as UTF-8, half characters as escapes, as `write_bytes` does.

    Parameters
    ----------
    target : str or Path
        The file.
    text : str
        Its whole content.
    """
    write_bytes(target, text.encode(errors="backslashreplace"))


def write_bytes(target: str | Path, content: bytes) -> None:
    """Write to a temporary file beside the target, then rename it; a link stays one, a device or pipe is written to.

    Parameters
    ----------
    target : str or Path
        The file.
    content : bytes
        All of it.

    Raises
    ------
    PlacewiseError
        When the folder cannot be written; the target is then as it was.
    """
    path = Path(target)
    name = None
    try:
        if _is_stream(path):
            with path.open("ab") as stream:
                stream.write(content)
            return
        path = path.resolve()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".placewise-", delete=False) as file:
            name = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException as error:  # an interruption too leaves nothing beside the target
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise PlacewiseError(f"{target}: cannot write: {error.strerror}") from None
        raise


def require_writable(target: str | Path) -> None:
    """Find out before hours of work whether a file can be written there; raise `PlacewiseError` if not."""
    path = Path(target)
    if path.is_dir():
        raise PlacewiseError(f"{target}: cannot write: it is a folder")
    if _is_stream(path):
        return
    path = path.resolve()
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise PlacewiseError(f"{target}: cannot write: {error.strerror}") from None


def _is_stream(path: Path) -> bool:
    """Whether a path is a device or pipe, which no file may replace (``/dev/stdout`` may also be a file)."""
    return path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
