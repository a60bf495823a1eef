"""What a stage saves of a partition, and what it refuses to."""

from collections.abc import Mapping
from typing import Any

import pytest

from processors.engine import state
from processors.engine.bookmarks import Bookmark
from processors.engine.state import ROOM, SavedState
from topology.errors import Fatal

MOST = 10_000


@pytest.mark.parametrize("size", [MOST - ROOM - len("trades|3|a"), MOST - ROOM])
async def test_an_entry_that_kafka_would_not_take_is_named(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """The stage ends with the entry's name and the setting's before anything is written; an entry just within the bound is written."""
    written: list[Mapping[bytes, bytes | None]] = []

    async def write(_table: Any, entries: Mapping[bytes, bytes | None], _partition: int, *, generation: int) -> None:
        assert generation == 1
        written.append(entries)

    monkeypatch.setattr(state, "write_many", write)
    saved = SavedState({}, "candles", MOST)
    entries = {"gone": None, "a": b"x" * size}
    if size < MOST - ROOM:
        await saved.write("trades", 3, entries, Bookmark("id", 5), generation=1)
        assert b"trades|3|a" in written[0]
        return
    with pytest.raises(Fatal, match=r"candles.*trades\[3\].*'a' of 9,000 bytes.*kafka\.message_max_bytes"):
        await saved.write("trades", 3, entries, Bookmark("id", 5), generation=1)
    assert not written
