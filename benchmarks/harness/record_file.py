"""The file of a suite's records while one process writes to it."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from placewise.benchmarks.harness.plain import plain
from placewise.benchmarks.harness.records import FILE, Record, lines_words, record_in
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from pathlib import Path

#: Where lines go that are no records.
REJECTED = "records.rejected.jsonl"


class RecordFile:
    """The records of a folder, open for appending by one process.

    Lines that are no records are kept aside in `REJECTED`, so that their runs are repeated and other readers of the
    file do not stumble; `rejected` says which they were. What a kill cut off at the end is dropped.

    Raises
    ------
    PlacewiseError
        When another process has it open, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.rejected = ""
        self.records: dict[str, Record] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream: BinaryIO = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise PlacewiseError(f"{self.path}: {error.strerror}") from None
        try:
            self._lock(self._stream)
            self._take_in()
        except OSError as error:
            self._stream.close()
            raise PlacewiseError(f"{self.path}: cannot write: {error.strerror}") from None
        except BaseException:
            self._stream.close()
            raise

    def _lock(self, stream: BinaryIO) -> None:
        try:
            import fcntl
        except ImportError:  # no such lock on Windows
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PlacewiseError(f"{self.path}: another run writes to it") from None

    def _take_in(self) -> None:
        """Read what is there; end its last line, or drop what is none; keep aside what is no record."""
        self._stream.seek(0)
        *lines, tail = self._stream.read().split(b"\n")
        if record_in(tail) is not None:
            _write_all(self._stream, b"\n")
            lines.append(tail)
        elif tail:
            self._stream.truncate(sum(len(line) + 1 for line in lines))
        found = [record_in(line) for line in lines]
        bad = [number for number, record in enumerate(found) if record is None]
        if bad:
            self._put_aside([lines[number] for number in bad])
            self._replace([line for line, record in zip(lines, found, strict=True) if record is not None])
            self.rejected = (
                f"{self.path}: {lines_words([number + 1 for number in bad])}: expected a record; kept aside in "
                f"{REJECTED}, and the run is repeated"
            )
        self.records = {record.key: record for record in found if record is not None}

    def _put_aside(self, lines: list[bytes]) -> None:
        with self.path.with_name(REJECTED).open("ab") as aside:
            aside.write(b"".join(line + b"\n" for line in lines))
            aside.flush()
            os.fsync(aside.fileno())

    def _replace(self, lines: list[bytes]) -> None:
        """Put a file of these lines in the place of this one, locked before others can see it."""
        path = self.path.resolve()
        new = path.with_name(f".{FILE}.{os.getpid()}")
        stream = new.open("a+b", buffering=0)
        try:
            self._lock(stream)
            stream.truncate(0)
            _write_all(stream, b"".join(line + b"\n" for line in lines))
            os.fsync(stream.fileno())
            new.replace(path)
        except BaseException:
            stream.close()
            new.unlink(missing_ok=True)
            raise
        self._stream.close()
        self._stream = stream

    def append(self, document: dict[str, Any], *, again: bool = False) -> None:
        """Write one record, all of it, to the disk.

        A run that is there already is written once more only where it was done `again`, and not where the new one
        was lost and the old one knows a placement.
        """
        document = plain(document)
        record = Record.of(document)
        old = self.records.get(record.key)
        if old is not None and (not again or (record.transient and _knows_more(old, record))):
            return
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        end = os.fstat(self._stream.fileno()).st_size
        try:
            _write_all(self._stream, line)
            os.fsync(self._stream.fileno())
        except BaseException as stop:
            with contextlib.suppress(OSError):
                self._stream.truncate(end)
            if isinstance(stop, OSError):
                raise PlacewiseError(f"{self.path}: cannot write: {stop.strerror}") from None
            raise
        self.records[record.key] = record

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _knows_more(old: Record, new: Record) -> bool:
    return old.objective is not None and new.objective is None


def _write_all(stream: BinaryIO, content: bytes) -> None:
    line = memoryview(content)
    while line:
        line = line[stream.write(line) :]
