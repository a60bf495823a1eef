"""The ids of one symbol's events where a venue does not count: digests in slots of a minute of event time, for as long as asked.

An id is looked for in the slot of its time. Whoever keeps the state writes parts of a slot, at most `PART` digests each: of what was
written only the last part of a slot changes, so a checkpoint writes what came, whatever is known.

Sixteen bytes of BLAKE2b: among the ids of three minutes, a million, that two are alike by chance is less likely than 10⁻²⁶.
"""

from collections.abc import Iterator
from hashlib import blake2b

SLOT = 60_000_000
DIGEST = 16
PART = 256
ROUNDED = 1_000
"""The same event's time may differ by so much (µs) between two of a venue's interfaces: REST rounds to milliseconds."""
Part = tuple[int, int]
"""A slot, and the place of a part in it."""


class Ids:
    """The ids of one symbol's events, by slots of their times."""

    __slots__ = ("_changed", "_deleted", "_oldest", "_open", "_slots", "_written")

    def __init__(self) -> None:
        self._slots: dict[int, bytearray] = {}
        self._open: dict[int, set[bytes]] = {}
        """The slots at hand, as sets; the others are as they are written until an event asks for one."""
        self._written: dict[int, int] = {}
        """Slot → how many of its parts are full and written."""
        self._changed: set[int] = set()
        self._deleted: list[Part] = []
        self._oldest = 0

    def __len__(self) -> int:
        return sum(map(len, self._slots.values())) // DIGEST

    def take(self, text: str, time: int, before: int, *, timed: bool) -> bool:
        """Say whether an id is new, and remember it. What ends at or before `before` is not asked, whether it is still here or not.

        `timed`: the time (microseconds) is the venue's, so a repeat has the same.
        """
        digest = blake2b(text.encode(), digest_size=DIGEST).digest()
        slot, since = divmod(time, SLOT)
        mine = self._open.get(slot)
        if mine is None:
            mine = self._at_hand(slot)
        if digest in mine:
            return False
        if not (timed and ROUNDED <= since < SLOT - ROUNDED) and self._beside(digest, slot, since, before, timed=timed):
            return False
        mine.add(digest)
        digests = self._slots.get(slot)
        if digests is None:
            digests = self._slots[slot] = bytearray()
        digests += digest
        self._changed.add(slot)
        return True

    def forget(self, before: int) -> None:
        """Let go of the slots that end at or before a time."""
        oldest = before // SLOT
        if oldest <= self._oldest:
            return
        self._oldest = oldest
        for slot in [slot for slot in self._slots if slot < oldest]:
            size = len(self._slots.pop(slot))
            self._open.pop(slot, None)
            self._changed.discard(slot)
            self._deleted += [(slot, part) for part in range(-(-size // (PART * DIGEST)))]
            self._written.pop(slot, None)

    def written(self) -> Iterator[tuple[Part, bytes]]:
        """Yield the parts that changed since the last call, as bytes; the slots that did not are let go of as sets."""
        size = PART * DIGEST
        for slot in sorted(self._changed):
            digests = self._slots[slot]
            begin = self._written.get(slot, 0)
            for part in range(begin, -(-len(digests) // size)):
                yield (slot, part), bytes(digests[part * size : (part + 1) * size])
            self._written[slot] = len(digests) // size
        self._open = {slot: ids for slot, ids in self._open.items() if slot in self._changed}
        self._changed.clear()

    def deleted(self) -> list[Part]:
        """Return the parts let go of since the last call."""
        deleted, self._deleted = self._deleted, []
        return deleted

    def restore(self, parts: dict[Part, bytes]) -> None:
        """Take all parts as `written` gave them."""
        size = PART * DIGEST
        for slot, part in sorted(parts):
            digests = self._slots.setdefault(slot, bytearray())
            if len(digests) == part * size:
                digests += parts[slot, part]
            else:  # the parts before it were deleted, and then came a crash
                self._deleted.append((slot, part))
            self._written[slot] = len(digests) // size

    def _at_hand(self, slot: int) -> set[bytes]:
        found = self._open.get(slot)
        if found is None:
            digests = self._slots.get(slot, b"")
            found = self._open[slot] = {bytes(digests[at : at + DIGEST]) for at in range(0, len(digests), DIGEST)}
        return found

    def _beside(self, digest: bytes, slot: int, since: int, before: int, *, timed: bool) -> bool:
        """Say whether a repeat is in another slot; `since`: the time since the slot began."""
        others = [slot - 1 if since < ROUNDED else slot + 1] if timed else list(self._slots)
        return any(digest in self._at_hand(other) for other in others if other >= before // SLOT and other in self._slots)
