"""Which instance a result is of: a name can stand for two, a hash of the document cannot."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING

from placewise.instances.files import to_document

if TYPE_CHECKING:
    from placewise.models.problem import Instance


def instance_hash(instance: Instance) -> str:
    """Return the SHA-256 of an instance's document, its keys sorted, as 64 hexadecimal digits.

    Parameters
    ----------
    instance : Instance
        As `placewise.instances.read` returns it; kept for those in use, which do not change.
    """
    return _hash_of(instance)


@lru_cache(maxsize=16)
def _hash_of(instance: Instance) -> str:
    text = json.dumps(to_document(instance), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
