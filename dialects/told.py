"""What is asked for again and again, and told once: of the rows of a reply those that the one before did not have, word for word.

So a row whose numbers the venue has mended since is told anew, which the newest of a period may be.
"""

from collections.abc import Sequence
from typing import Final

from dialects.memory import Memory
from schemas.errors import InvalidDatum

Row = list[str]
"""What a row says, in the venue's texts."""
MOST_ROWS: Final = 5_000
"""Rows of one reply: venues say 1,000 at most of what is asked for so, and Hyperliquid was seen to give 1,038."""


def untold(memory: Memory, name: str, rows: Sequence[Row]) -> list[int]:
    """Return the places of the rows to be told; `memory[name]` holds those of the reply before, and then these.

    InvalidDatum where there are more than MOST_ROWS. Whoever makes an event of a row says that the row there depends on it.
    """
    if len(rows) > MOST_ROWS:
        raise InvalidDatum(f"{len(rows)} rows where {MOST_ROWS} are the most that a venue gives")
    before = memory.get(name)
    if before == rows:
        return []
    memory[name] = list(rows)
    told = {tuple(row) for row in before or ()}
    return [place for place, row in enumerate(rows) if tuple(row) not in told]
