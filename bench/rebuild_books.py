"""Book deltas from Kafka → the best levels of each book once a second: our stage, and the same books on stock Faust."""

import random
from collections.abc import Callable, Iterator

from bench.result import Result, result
from bench.stage_rate import fresh
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.decimals import to_bytes

FIGURES = ("rebuild_books",)
DELTAS = 200_000
PEER_DELTAS = 10_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT")
LEVELS = 1_000
"""Of each side, in the snapshot with which a book begins."""
EVERY = 100_000
"""Microseconds between two deltas of a book, as a stream of 100 ms has them: ten to a second."""
START = 1_763_725_000_000_000
IDS = 40
"""Update ids that a delta covers."""
PRICE_UNIT, SIZE_UNIT = 10**16, 10**13
Levels = list[tuple[bytes, bytes]]


class Market:
    """The book of one symbol as its venue has it; prices in cents, around a middle that walks."""

    def __init__(self, middle: int, source: random.Random) -> None:
        self._middle, self._source = middle, source
        self._held = tuple({middle + away * distance for distance in range(1, LEVELS + 1)} for away in (-1, 1))

    def snapshot(self) -> tuple[Levels, Levels]:
        """Return all levels, bids and asks."""
        bids, asks = ([_level(price, 1) for price in sorted(side)] for side in self._held)
        return bids[::-1], asks

    def changes(self, count: int) -> tuple[Levels, Levels]:
        """Return changes of some levels, most of them near the middle; two in five are taken away, as recorded sessions have it."""
        source = self._source
        made: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._middle += source.choice((-1, 0, 0, 1))
        for held, changed in zip(self._held, made, strict=True):
            if self._middle in held:
                held.discard(self._middle)
                changed[self._middle] = 0
        for place in range(count):
            held, changed, away = self._held[place % 2], made[place % 2], (-1, 1)[place % 2]
            price = self._middle + away * (1 + int(source.expovariate(1 / 60)))
            gone = price in held and source.random() < 0.4
            (held.discard if gone else held.add)(price)
            changed[price] = 0 if gone else source.randrange(1, 10**6)
        bids, asks = ([_level(*level) for level in changed.items()] for changed in made)
        return bids, asks


def _level(price: int, size: int) -> tuple[bytes, bytes]:
    return to_bytes(price * PRICE_UNIT), to_bytes(size * SIZE_UNIT)


def deltas(codec: Codec, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield a snapshot of each book, then deltas of all in turn: 5 to 40 levels each, ten on average, as recorded sessions have them."""
    source = random.Random(7)
    markets = [Market(6_500_000 >> place, source) for place in range(len(SYMBOLS))]
    for number in range(count):
        turn, place = divmod(number, len(SYMBOLS))
        at = START + turn * EVERY + place * 1_000
        levels = min(40, 5 + int(source.expovariate(1 / 5)))
        bids, asks = markets[place].changes(levels) if turn else markets[place].snapshot()
        record = event("book_delta").defaults | {
            "venue": "binance",
            "symbol": SYMBOLS[place],
            "origin": "live" if turn else "rest",
            "connection_id": "binance-20261121T114200-ab12cd34",
            "connection_sequence": number + 1,
            "received_at": at + 12_000,
            "frame_index": 0,
            "frames_lost": 0,
            "event_time": at if turn else None,
            "bid_prices": [price for price, _ in bids],
            "bid_sizes": [size for _, size in bids],
            "ask_prices": [price for price, _ in asks],
            "ask_sizes": [size for _, size in asks],
            "is_snapshot": not turn,
            "first_sequence": 10_000_000 + turn * IDS if turn else None,
            "last_sequence": 10_000_000 + turn * IDS + IDS - 1,
        }
        yield f"binance|{SYMBOLS[place]}".encode(), codec.encode(record)


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure both, the peer on a shorter backlog of its own topic."""
    with fresh() as bench:
        bench.load("book_deltas", deltas(bench.codec("book_delta"), PEER_DELTAS))
        progress(f"stock Faust on {PEER_DELTAS:,} deltas")
        peer = bench.rate("bench.stock_faust books", "stock", PEER_DELTAS)
    with fresh() as bench:
        bench.load("book_deltas", deltas(bench.codec("book_delta"), DELTAS))
        progress(f"Tidewire on {DELTAS:,} deltas")
        ours = bench.rate("processors.rebuild_books", "rebuild_books", DELTAS)
    how = (
        f"a backlog of {DELTAS:,} deltas of {len(SYMBOLS)} books ({PEER_DELTAS:,} for the peer), ten levels each on average, in the books' "
        f"own partitions, one process; deltas over its CPU seconds from first to last batch, all threads, books published once a second of "
        f"theirs and state kept; the peer applies them with the same code one by one, and keeps no state; "
        f"wall: {ours.wall:,.0f}/s, peer {peer.wall:,.0f}/s"
    )
    return [result("rebuild_books", ours.core, "deltas per core-second", how, "the same books on stock Faust", peer.core)]
