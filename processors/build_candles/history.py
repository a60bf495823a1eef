"""The final candles of one symbol, kept as bytes until a late trade asks for one.

They lie in chunks of sixteen intervals; a chunk is one entry of the state. A chunk is written before the symbol's head, so
after a crash it may be newer than the head; the offset it begins with says up to where its candles are built.
"""

from bisect import insort
from collections.abc import Iterator, Sequence

import msgspec

from processors.build_candles.bar import Bar
from processors.build_candles.intervals import DAY, NAMES, WIDTHS

_LENGTH = 16
_WIDTHS = tuple(WIDTHS[name] or 31 * DAY for name in NAMES)
_CHUNKS = tuple(width * _LENGTH for width in _WIDTHS)
_OFFSET = 8
Key = tuple[int, int]
"""A chunk: the interval's place in NAMES, and where the chunk begins."""


class History:
    """Final candles by interval (its place in NAMES) and opening time."""

    __slots__ = ("_closed", "_deleted", "_dirty", "_open", "_order")

    def __init__(self) -> None:
        self._closed: dict[Key, bytes] = {}
        self._open: dict[Key, dict[int, Bar]] = {}
        self._dirty: set[Key] = set()
        self._deleted: list[Key] = []
        self._order: list[list[int]] = [[] for _ in NAMES]

    def find(self, place: int, start: int) -> Bar | None:
        """Return a final candle; None where there is none."""
        key = (place, start - start % _CHUNKS[place])
        chunk = self._open.get(key)
        if chunk is None:
            if key not in self._closed:
                return None
            chunk = self._open[key] = _load(self._closed[key])
        return chunk.get(start)

    def put(self, place: int, bar: Bar) -> None:
        """Keep a candle that has become final, or has changed since."""
        key = (place, bar.start - bar.start % _CHUNKS[place])
        chunk = self._open.get(key)
        if chunk is None:
            if key in self._closed:
                chunk = _load(self._closed[key])
            else:
                chunk = {}
                self._closed[key] = b""
                insort(self._order[place], key[1])
            self._open[key] = chunk
        chunk[bar.start] = bar
        self._dirty.add(key)

    def forget(self, mark: int, retention: Sequence[int]) -> None:
        """Give up chunks whose last candle takes no late trades any more. `retention` is by the interval's place."""
        for place, starts in enumerate(self._order):
            kept = _CHUNKS[place] + _WIDTHS[place] + retention[place]
            while starts and starts[0] + kept <= mark:
                key = (place, starts.pop(0))
                del self._closed[key]
                self._open.pop(key, None)
                self._dirty.discard(key)
                self._deleted.append(key)

    def written(self, applied: int) -> Iterator[tuple[Key, bytes]]:
        """Yield the chunks that changed since the last call, as bytes; what is read only is let go of."""
        for key in sorted(self._dirty):
            value = applied.to_bytes(_OFFSET, "big", signed=True) + msgspec.msgpack.encode([bar.dump() for bar in self._open[key].values()])
            self._closed[key] = value
            yield key, value
        self._open = {key: self._open[key] for key in self._dirty}
        self._dirty = set()

    def deleted(self) -> list[Key]:
        """Return the chunks given up since the last call."""
        deleted, self._deleted = self._deleted, []
        return deleted

    def restore(self, key: Key, value: bytes) -> int:
        """Take a chunk as `written` gave it; return the offset up to which its candles are built."""
        self._closed[key] = value
        insort(self._order[key[0]], key[1])
        return int.from_bytes(value[:_OFFSET], "big", signed=True)


def _load(value: bytes) -> dict[int, Bar]:
    bars = map(Bar.load, msgspec.msgpack.decode(value[_OFFSET:])) if value else ()
    return {bar.start: bar for bar in bars}
