"""A model's folder: its configuration, its index, and the headers of its safetensors files that are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances.files import read_json
from placewise.instances.importers.safetensors_header import SUFFIX, Stored, read_header
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIG = "config.json"
INDEX = ".safetensors.index.json"
#: More files or tensors than any published model has.
MOST_FILES, MOST_TENSORS = 4096, 2**20


@dataclass(frozen=True)
class Folder:
    """What is known of a model without its weights.

    Parameters
    ----------
    config : dict or None
        ``config.json``, where there is one.
    tensors : dict of str to Stored
        Of all headers that are there.
    missing : tuple of str
        Files of the index that are not there.
    files : int
        So many the index names.
    total_bytes : int or None
        Of all tensors, as the index states it.
    """

    config: dict[str, Any] | None
    tensors: dict[str, Stored]
    missing: tuple[str, ...] = ()
    files: int = 1
    total_bytes: int | None = None


def is_model_folder(path: str) -> bool:
    """Whether a path is a folder, an index or a safetensors file."""
    try:
        return path.endswith((SUFFIX, INDEX)) or Path(path).is_dir()
    except (OSError, ValueError):  # a name that no file can have
        return False


def gguf_files(path: str) -> list[str]:
    """Return the GGUF files of a folder in order, none where it holds safetensors."""
    folder = Path(path)
    if not folder.is_dir() or any(folder.glob(f"*{SUFFIX}")) or any(folder.glob(f"*{INDEX}")):
        return []
    return [str(file) for file in sorted(folder.glob("*.gguf"))]


def read_folder(paths: list[str]) -> Folder:
    """Return what a folder, an index, or safetensors files hold.

    Parameters
    ----------
    paths : list of str
        One folder or index, or all files of a model.

    Raises
    ------
    InstanceError
        Naming the file, tensor or key that is wrong.
    PlacewiseError
        Where a file cannot be read.
    """
    first = Path(paths[0])
    if all(path.endswith(SUFFIX) for path in paths):
        folder, files, index = first.parent, [Path(path) for path in paths], None
    elif len(paths) > 1:
        raise InstanceError("", "expected one folder or index, or safetensors files")
    else:
        folder = first if first.is_dir() else first.parent
        index = _index_of(folder) if first.is_dir() else first
        files = _weights(folder)
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    if config is not None and not isinstance(config, dict):
        raise InstanceError(CONFIG, f"expected an object, found {short(config)}")
    if index is None:
        return Folder(config, _headers(files))
    names, total = _read_index(read_json(index))
    there = [folder / name for name in dict.fromkeys(names.values()) if (folder / name).is_file()]
    tensors = _headers(there)
    for tensor, file in names.items():
        if folder / file in there and tensor not in tensors:
            raise InstanceError(join("weight_map", tensor), f"expected it in {file}, which does not have it")
    missing = sorted({name for name in names.values() if folder / name not in there})
    return Folder(config, tensors, tuple(missing), len(set(names.values())), total)


def _index_of(folder: Path) -> Path | None:
    found = sorted(folder.glob(f"*{INDEX}"))
    if len(found) > 1 and folder / f"model{INDEX}" in found:
        return folder / f"model{INDEX}"
    if len(found) > 1:
        raise InstanceError(
            "", f"expected one index, found {', '.join(path.name for path in found)}: name one"
        )
    return found[0] if found else None


def _weights(folder: Path) -> list[Path]:
    """Return the files of a folder without an index: those of the model, not of adapters beside it."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    return [path for path in found if path.name.startswith("model")] or found


def _headers(files: Iterable[Path]) -> dict[str, Stored]:
    tensors: dict[str, Stored] = {}
    for file in files:
        try:
            found = read_header(file)
        except InstanceError as error:
            raise PlacewiseError(f"{file}: {error}") from None
        twice = next((name for name in found if name in tensors), None)
        if twice is not None:
            raise PlacewiseError(f"{file}: {short(twice)}: expected it in one file of the model")
        tensors |= found
        if len(tensors) > MOST_TENSORS:
            raise PlacewiseError(f"{file}: expected up to {MOST_TENSORS} tensors")
    return tensors


def _read_index(document: Any) -> tuple[dict[str, str], int | None]:
    names = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(names, dict) or not 0 < len(names) <= MOST_TENSORS:
        raise InstanceError("weight_map", f"expected a file for each tensor, found {short(names)}")
    for tensor, file in names.items():
        if not isinstance(file, str) or not file.endswith(SUFFIX) or Path(file).name != file or "\0" in file:
            raise InstanceError(
                join("weight_map", tensor),
                f"expected a file of this folder that ends with {SUFFIX}, found {short(file)}",
            )
    if len(set(names.values())) > MOST_FILES:
        raise InstanceError("weight_map", f"expected up to {MOST_FILES} files")
    stated = document.get("metadata")
    total = stated.get("total_size") if isinstance(stated, dict) else None
    if isinstance(total, float) and total.is_integer():
        total = int(total)
    if total is not None and (not isinstance(total, int) or isinstance(total, bool) or total < 0):
        raise InstanceError("metadata.total_size", f"expected a number of bytes, found {short(total)}")
    return names, total
