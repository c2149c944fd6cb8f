"""Which of other tools' files hold a published model, and how its caches are kept."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from placewise.instances.files import blaming, read_json
from placewise.instances.importers import gguf_header
from placewise.instances.importers.cache import cache_kind
from placewise.instances.importers.safetensors_folder import gguf_files, is_model_folder, read_folder
from placewise.instances.importers.transformer_config import is_config, read_config
from placewise.instances.strict_json import clean_name
from placewise.models.errors import InstanceError, PlacewiseWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from placewise.instances.importers.published import PublishedModel


@dataclass(frozen=True)
class ModelOptions:
    """What a published model's files leave open.

    Parameters
    ----------
    cache_type : str
        Of the KV cache, one of `cache.TYPES`; empty for 16 bits, or 32 where the model computes in them.
    full_cache : bool
        Whether layers with a window keep all tokens.
    split_experts : bool
        Whether a layer with experts becomes two: attention with what every token reads, and the experts.
    ignore_keys : tuple of str
        Keys of which somebody knows that they change neither sizes nor times.

    Raises
    ------
    PlacewiseError
        On a type that is not known.
    """

    cache_type: str = ""
    full_cache: bool = False
    split_experts: bool = False
    ignore_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cache_type:
            cache_kind(self.cache_type)

    def of(self, model: PublishedModel, tokens: int) -> PublishedModel:
        """Return a model that is kept as these say; warn of a context that it is not made for.

        Parameters
        ----------
        model : PublishedModel
            As its files have it.
        tokens : int
            Of the context.
        """
        for warning in model.warnings(tokens):
            warnings.warn(warning, PlacewiseWarning, stacklevel=2)
        return replace(
            model,
            cache_type=self.cache_type,
            full_cache=self.full_cache or model.full_cache,
            split_experts=self.split_experts,
        )


def reader_of(paths: list[str], options: ModelOptions) -> Callable[[str], PublishedModel] | None:
    """Return what reads a model of these files, given a name; None where they hold none.

    Parameters
    ----------
    paths : list of str
        One file, or all parts of a model.
    options : ModelOptions
        What they leave open.

    Returns
    -------
    callable or None
        ``name -> PublishedModel``.

    Raises
    ------
    PlacewiseError
        Where a file cannot be read.
    InstanceError
        Where there are several of what is one.
    """
    if any(gguf_header.is_gguf(path) for path in paths):
        from placewise.instances.importers.gguf_model import read_gguf

        return lambda name: read_gguf(
            paths, name, full_cache=options.full_cache, ignore_keys=options.ignore_keys
        )
    if is_model_folder(paths[0]):
        files = gguf_files(paths[0])
        if files:
            return reader_of(files, options)
        from placewise.instances.importers.safetensors_model import model_of

        folder = read_folder(paths)
        return lambda name: model_of(
            folder, name, full_cache=options.full_cache, ignore_keys=options.ignore_keys
        )
    document = read_json(paths[0])
    if not is_config(document):
        return None
    if len(paths) > 1:
        with blaming(*paths):
            raise InstanceError("", "expected one file")
    return lambda name: read_config(
        document, name, full_cache=options.full_cache, ignore_keys=options.ignore_keys
    )


def model_name(stated: str | None, source: str) -> str:
    """Return a model's name: what is stated, or its file's, or its folder's for a ``config.json``.

    Parameters
    ----------
    stated : str or None
        By somebody.
    source : str
        Path of its file or folder.
    """
    if stated:
        return clean_name(stated, "model")
    path = Path(source).absolute()
    if path.is_dir():
        return clean_name(path.name, "model")
    plain = path.name.endswith((".safetensors", ".safetensors.index.json")) and path.name.startswith("model")
    return clean_name(path.parent.name if plain or path.stem == "config" else path.stem, "model")
