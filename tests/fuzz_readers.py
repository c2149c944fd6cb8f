"""Coverage-guided fuzzing of every reader, with Atheris: ``python tests/fuzz_readers.py -max_total_time=600``.

Needs ``pip install atheris``; ``READER=read_gguf`` before it chooses one. The first byte chooses the reader; half of the changes are made to the parsed document,
so that they reach what stands behind the syntax. Anything but an accepted document or one clear line is a crash.
"""

import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["placewise"]):
    from readers import ODD, READERS, attempt, changed, places

LIST = [reader for reader in READERS if os.environ.get("READER") in (None, reader.__name__)]
COUNTS: Counter[str] = Counter()


def one_input(data: bytes) -> None:
    """Give a document to its reader."""
    if not data:
        return
    reader = LIST[data[0] % len(LIST)]
    accepted = attempt(reader, data[1:])
    COUNTS[f"{reader.__name__}: {'accepted' if accepted else 'refused'}"] += 1


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """Change bytes, or the document that they are."""
    chance = random.Random(seed)
    if len(data) < 2 or chance.random() < 0.02:
        number = chance.randrange(len(LIST))
        return bytes([number]) + chance.choice(READERS[LIST[number]])
    if chance.random() < 0.5:
        try:
            document = json.loads(data[1:])
        except (ValueError, RecursionError):
            return atheris.Mutate(data, largest)
        path = chance.choice(places(document))
        kind = chance.choice(["replace", "replace", "remove", "repeat", "rename", "scale"])
        text = json.dumps(changed(document, path, chance.choice(ODD), kind)).encode()
        return (data[:1] + text + b"\n")[:largest]
    return atheris.Mutate(data, largest)


def main() -> None:
    """Write the seeds to a folder, fuzz, and show the counts."""
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
    if corpus is not None:
        corpus.mkdir(exist_ok=True)
        for number, seeds in enumerate(READERS[reader] for reader in LIST):
            for index, seed in enumerate(seeds):
                (corpus / f"seed-{number}-{index}").write_bytes(bytes([number]) + seed)
    options = ["-timeout=20", "-rss_limit_mb=4096", "-max_len=12000"]
    atheris.Setup([*sys.argv, *options], one_input, custom_mutator=mutate)
    try:
        atheris.Fuzz()
    finally:
        for name, count in sorted(COUNTS.items()):
            print(name, count, file=sys.stderr)


if __name__ == "__main__":
    main()
