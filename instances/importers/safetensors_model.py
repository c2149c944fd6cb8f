"""The model that safetensors files hold: layers from the names of tensors, caches from the configuration beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from placewise.instances.importers import families
from placewise.instances.importers.config_facts import decoder_text
from placewise.instances.importers.packed import parameters_of
from placewise.instances.importers.published import (
    BUFFER,
    EXPERT,
    TABLE,
    WEIGHTS,
    Block,
    PublishedModel,
    Tensor,
)
from placewise.instances.importers.tensor_names import (
    AUXILIARY,
    BUFFERS,
    CROSS,
    EXPERTS,
    STATES,
    Names,
    is_head,
    sorted_names,
)
from placewise.instances.importers.transformer_config import read_config
from placewise.instances.importers.unknown_family import UnknownFamily, attentions_of_shapes
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from placewise.instances.importers.safetensors_folder import Folder
    from placewise.instances.importers.safetensors_header import Stored

#: Ends of the names of matrices that scales may belong to.
_MATRICES = ("weight", "qweight", "weight_packed")
WAY_ON = "put the model's config.json beside the weights"


def model_of(
    folder: Folder, name: str, *, full_cache: bool = False, ignore_keys: tuple[str, ...] = ()
) -> PublishedModel:
    """Return the model of a folder, with the bytes of every tensor.

    Parameters
    ----------
    folder : Folder
        Headers and configuration.
    name : str
        Of the model.
    full_cache : bool
        Whether windows are ignored.
    ignore_keys : tuple of str
        Keys of which somebody knows that they change neither sizes nor times.

    Raises
    ------
    InstanceError
        Naming the tensor or key that is missing, wrong or not known.
    """
    config = folder.config
    described = None
    if config is not None and _is_known(config):
        described = read_config(config, name, full_cache=full_cache, ignore_keys=ignore_keys)
    if not folder.tensors and not folder.missing and described is not None:
        return described
    if folder.missing:
        return _completed(folder, described)
    if not folder.tensors:
        raise InstanceError("", "expected a config.json, safetensors or GGUF files in the folder")
    return _Reading(folder, described, ignore_keys, full_cache=full_cache).model(name)


def _is_known(config: dict[str, Any]) -> bool:
    text = decoder_text(config)[0]
    return families.family_of(text.get("model_type"), text.get("architectures")) is not None


def _completed(folder: Folder, described: PublishedModel | None) -> PublishedModel:
    """Return a configuration's model, held against the headers that are there and the index."""
    absent = (
        f"{len(folder.missing)} of {folder.files} files of the index {'is' if len(folder.missing) == 1 else 'are'} not "
        f"there ({folder.missing[0]}{', ...' if len(folder.missing) > 1 else ''})"
    )
    if described is None:
        raise InstanceError("", f"{absent}: expected all, or a config.json of a family that is known")
    sizes = {tensor.name: tensor.stored_bytes for tensor in described.tensors if "*" not in tensor.name}
    for tensor, stored in folder.tensors.items():
        if tensor in sizes and sizes[tensor] != stored.size_bytes:
            raise InstanceError(
                tensor, f"expected {sizes[tensor]:,} bytes as config.json says, found {stored.size_bytes:,}"
            )
    note = f"{absent}: their sizes are those of config.json"
    if folder.total_bytes is not None:
        same = folder.total_bytes == described.stored_bytes
        note += f", which {'agree' if same else 'do not agree'} with the {folder.total_bytes:,} bytes of the index"
    return replace(described, notes=(*described.notes, note))


@dataclass(frozen=True)
class _Reading:
    """Headers of all files of a model."""

    folder: Folder
    described: PublishedModel | None
    ignore_keys: tuple[str, ...]
    full_cache: bool

    def model(self, name: str) -> PublishedModel:
        """Return the model."""
        stored, described = self.folder.tensors, self.described
        refused = next((n for n in stored if STATES.search(n) or CROSS.search(n)), None)
        if refused is not None:
            what = "a state" if STATES.search(refused) else "a cache of something else"
            raise InstanceError(refused, f"not known here: layers that keep {what}, not a cache of tokens")
        unknown = None
        if described is None and self.folder.config is not None:
            unknown = UnknownFamily(self.folder.config, self.ignore_keys)
        stated = len(described.blocks) if described else unknown.layers if unknown else None
        names = sorted_names(list(stored), stated)
        experts, chosen = self._experts(names, unknown)
        meant = self._meant(names)
        groups = [
            self._tensors(own, names, meant, experts) for own in (names.embedding, *names.layers, names.head)
        ]
        embedding, *layers, head = groups
        table = next((t for t in embedding if t.role == TABLE), None)
        if table is None:
            raise InstanceError("", "expected a table of tokens, as in model.embed_tokens.weight")
        tied, notes = None, list(described.notes if described else ())
        own_heads = [t for t in head if is_head(t.name)]
        if described is not None and described.tied is not None and own_heads:
            head = [t for t in head if t not in own_heads]
            notes.append(
                f"{own_heads[0].name} is stored beside the table that it is tied to, and loaded once"
            )
            own_heads = []
        if not own_heads:
            tied = table
        hidden = described.hidden_size if described else stored[table.name].shape[-1]
        attentions = (
            [block.attention for block in described.blocks] if described else self._attentions(names, unknown)
        )
        kinds = {own.dtype for own in stored.values()}
        return PublishedModel(
            name,
            hidden,
            table.rows,
            tuple(embedding),
            tuple(Block(tuple(own), kept) for own, kept in zip(layers, attentions, strict=True)),
            tuple(head),
            tied=tied,
            activation_bytes=described.activation_bytes if described else 4 if kinds <= {"F32", "I64"} else 2,
            bytes_per_parameter=described.bytes_per_parameter if described else self._width(table),
            quantized=self._title(),
            experts=experts,
            experts_per_token=chosen,
            max_tokens=described.max_tokens if described else unknown.max_tokens if unknown else None,
            transformer=described.transformer if described else None,
            notes=(*notes, *self._left_out(names)),
        )

    def _width(self, table: Tensor) -> int:
        return max(
            1, self.folder.tensors[table.name].size_bytes // max(self.folder.tensors[table.name].elements, 1)
        )

    def _experts(self, names: Names, unknown: UnknownFamily | None) -> tuple[int, int]:
        if self.described is not None:
            return self.described.experts, self.described.experts_per_token
        experts = unknown.experts if unknown is not None else (0, 0)
        routed = next((n for own in names.layers for n in own if EXPERTS.search(n)), None)
        if routed is not None and not experts[0]:
            raise InstanceError(routed, f"expected how many experts a token is sent to; {WAY_ON}")
        return experts

    def _attentions(self, names: Names, unknown: UnknownFamily | None) -> list[Any]:
        if unknown is not None:
            return list(unknown.attentions(len(names.layers), full_cache=self.full_cache))
        found = []
        for own in names.layers:
            attention = attentions_of_shapes({n: self.folder.tensors[n].shape for n in own})
            if attention is None:
                raise InstanceError(
                    own[0], f"expected matrices of queries, keys and values in its layer; {WAY_ON}"
                )
            found.append(attention)
        return found

    def _meant(self, names: Names) -> dict[tuple[int, str], int]:
        """Return the numbers that a module's tensor stands for, as the family has them."""
        if self.described is None:
            return {}
        known = [*self.described.embedding, *self.described.head]
        found = {names.rest(t.name)[1].rpartition(".")[0]: t for t in known}
        meant = {(-1, module): tensor.parameters for module, tensor in found.items()}
        for number, block in enumerate(self.described.blocks):
            for tensor in block.tensors:
                if not tensor.name.endswith("bias"):
                    copies = self.described.experts if "*" in tensor.name else 1
                    rest = tensor.name.partition(f".{number}.")[2]
                    meant[number, rest.rpartition(".")[0]] = tensor.parameters // copies
        return meant

    def _tensors(
        self, own: Iterable[str], names: Names, meant: dict[tuple[int, str], int], experts: int
    ) -> list[Tensor]:
        """Return tensors, each quantised matrix with its scales and offsets as one."""
        found: dict[str, Tensor] = {}
        for name in sorted(own, key=lambda n: bool(AUXILIARY.search(n))):
            stored = self.folder.tensors[name]
            module = name.rpartition(".")[0]
            matrix = next((n for n in (f"{module}.{last}" for last in _MATRICES) if n in found), None)
            if (AUXILIARY.search(name) or (name.endswith(".biases") and matrix)) and matrix is not None:
                whole = found[matrix]
                found[matrix] = replace(whole, stored_bytes=whole.stored_bytes + stored.size_bytes)
                continue
            number, rest = names.rest(name)
            found[name] = self._tensor(name, stored, (number, rest), meant, experts)
        return list(found.values())

    def _tensor(
        self,
        name: str,
        stored: Stored,
        place: tuple[int, str],
        meant: dict[tuple[int, str], int],
        experts: int,
    ) -> Tensor:
        number, rest = place
        buffer = BUFFERS.search(name) and not (name.endswith(".bias") and len(stored.shape) < 3)
        role = WEIGHTS
        if EXPERTS.search(rest) or (
            number >= 0 and experts and len(stored.shape) == 3 and stored.shape[0] == experts
        ):
            role = EXPERT
        elif number < 0 and not buffer and len(stored.shape) == 2 and not is_head(name) and _is_table(name):
            role = TABLE
        elif buffer:
            role = BUFFER
        rows = stored.shape[0] if stored.shape else 1
        if AUXILIARY.search(name):
            return Tensor(name, 0, stored.size_bytes, role, rows)
        return Tensor(
            name, parameters_of(name, stored, place, meant, self.folder.config), stored.size_bytes, role, rows
        )

    def _title(self) -> str:
        """Return how weights are stored, empty where they are not quantised."""
        if self.described is not None and self.described.quantized:
            return self.described.quantized
        kinds = {
            s.dtype
            for n, s in self.folder.tensors.items()
            if n.endswith(("weight", "qweight", "weight_packed"))
        }
        return "" if kinds <= {"F16", "BF16", "F32", "F64"} else f"safetensors, {', '.join(sorted(kinds))}"

    def _left_out(self, names: Names) -> list[str]:
        notes = []
        for what, own in (
            ("other towers", names.towers),
            ("a module that predicts further tokens", names.further),
        ):
            size = sum(self.folder.tensors[n].size_bytes for n in own)
            if own:
                notes.append(f"left out: {size / 1e9:.3g} GB of {what}")
        total = sum(stored.size_bytes for stored in self.folder.tensors.values())
        if self.folder.total_bytes not in (None, total):
            notes.append(f"the index states {self.folder.total_bytes:,} bytes, the headers {total:,}")
        return notes


def _is_table(name: str) -> bool:
    return name.endswith("weight") and not name.endswith(("project_in.weight", "norm.weight"))
