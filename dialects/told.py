"""What is asked for again and again, and told once: of the rows of a reply those that the one before did not have, word for word.

So a row whose numbers the venue has mended since is told anew, which the newest of a period may be.
"""

from collections.abc import Sequence

from dialects.memory import Memory

Row = list[str]
"""What a row says, in the venue's texts."""


def untold(memory: Memory, name: str, rows: Sequence[Row]) -> list[int]:
    """Return the places of the rows to be told; `memory[name]` holds those of the reply before, and then these."""
    before = memory.get(name)
    if before == rows:
        return []
    memory[name] = list(rows)
    return [place for place, row in enumerate(rows) if before is None or row not in before]
