"""Whole recorded sessions through the dialects: what the venues promise of their numbers holds in what is read."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest

from dialects.binance.dialect import Binance
from dialects.contract import DecodedEvent, Frame
from dialects.kraken.checksum import checksum
from dialects.kraken.dialect import Kraken
from dialects.memory import Memory
from schemas.decimals import encode, from_bytes, scale_of
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, full_cryptofeed, needs_full

pytestmark = needs_full
Level = tuple[int, int]


def frame_of(venue: str, place: int, received_at: int, text: str, request: str | None = None) -> Frame:
    """Return the frame of one line of a session."""
    return Frame(venue, "archive", f"{venue}-1", place, received_at, "reply" if request else "message", request, text.encode())


def read_binance(lines: list[tuple[int, str | None, str]]) -> tuple[list[DecodedEvent], Counter[str]]:
    """Return the events in a session, and how often each reason refused a frame. Depth was asked of /api/v1; v3 is its like."""
    made: list[DecodedEvent] = []
    refused: Counter[str] = Counter()
    for place, (received_at, address, text) in enumerate(lines, 1):
        asked = address and re.search(r"/depth\?symbol=\w+&limit=\d+$", address)
        if address and not asked:
            continue
        request = f"GET /api/v3{asked[0]}" if asked else None
        try:
            made += Binance().read(frame_of("binance", place, received_at, text, request), Memory())
        except InvalidDatum as error:
            refused[str(error).partition(":")[2].partition(":")[0].strip()] += 1
    return made, refused


def jumps(made: list[DecodedEvent]) -> Counter[str]:
    """Count, by event, how often a symbol's ids do not follow its last: U = u + 1 for books, id + 1 for trades."""
    last: dict[tuple[str, str], int] = {}
    found: Counter[str] = Counter()
    for name, record in made:
        if name == "quote" or record.get("is_snapshot"):
            continue
        key = (name, record["symbol"])
        first, final = (record["first_sequence"], record["last_sequence"]) if name == "book_delta" else (record["sequence"],) * 2
        found[name] += 0
        if key in last and first != last[key] + 1:
            found[name] += 1
        last[key] = final
    return found


@pytest.mark.parametrize(
    ("name", "klines"),
    [("BINANCE-b38f7c.0.zst", False), ("BINANCE-ee25be.0.zst", True), ("BINANCE_US-63b290.0.zst", False)],
)
def test_binance_sessions_have_no_jump(name: str, klines: bool) -> None:
    """In three sessions of ten symbols each, depth and aggregate trade ids follow one another; only klines are refused."""
    made, refused = read_binance(list(full_cryptofeed(name)))
    assert len(made) > 3000
    assert jumps(made) == {"trade": 0, "book_delta": 0}
    assert set(refused) == ({"unknown message type 'kline'"} if klines else set())
    snapshots = [record for event, record in made if event == "book_delta" and record["is_snapshot"]]
    assert snapshots
    assert {record["depth"] for record in snapshots} == {1000}


def test_binance_plain_frames_have_no_jump() -> None:
    """280 plain frames of 2026: 145 depth updates and 128 aggregate trades in sequence, 7 klines refused."""
    lines = (FULL / "polytrader" / "binance_ws_messages.jsonl").read_text().splitlines()
    made, refused = read_binance([(0, None, line) for line in lines])
    assert Counter(event for event, _ in made) == {"book_delta": 145, "trade": 128}
    assert jumps(made) == {"trade": 0, "book_delta": 0}
    assert refused == {"unknown message type 'kline'": 7}


def test_kraken_trades_of_a_day() -> None:
    """A REST reply of 1,000 trades: ids count by one, times never fall, and each price is the text of the reply."""
    payload = (FULL / "kraken_rest" / "kraken_http_trades.json").read_text()
    request = "GET /0/public/Trades?pair=BTC/USDT&since=0&count=1000"
    records = [record for _, record in Kraken().read(frame_of("kraken", 1, 0, payload, request), Memory())]
    rows = orjson.loads(payload)["result"]["XBTUSDT"]
    assert [record["sequence"] for record in records] == list(range(10218208, 10218208 + 1000))
    assert [record["price"] for record in records] == [encode(row[0]) for row in rows]
    assert all(before["event_time"] <= after["event_time"] for before, after in pairwise(records))


class Book:
    """A book kept as the venue wants it: apply all, then cut to the subscribed depth."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: list[Level] = []
        """Best last: prices rise."""
        self.asks: list[Level] = []
        """Best last: negative prices rise."""

    def apply(self, record: dict[str, Any]) -> None:
        """Apply one book_delta record."""
        if record["is_snapshot"]:
            self.bids, self.asks = [], []
        for side, levels, sign in (("bid", self.bids, 1), ("ask", self.asks, -1)):
            for price, size in zip(record[f"{side}_prices"], record[f"{side}_sizes"], strict=True):
                key, amount = sign * from_bytes(price), from_bytes(size)
                place = bisect_left(levels, (key, -1))
                known = place < len(levels) and levels[place][0] == key
                levels[place : place + known] = [(key, amount)] if amount else []
            del levels[: max(len(levels) - self.depth, 0)]

    def checksum(self, price_scale: int, size_scale: int) -> int:
        """Return the book's checksum."""
        bids, asks = reversed(self.bids[-10:]), ((-price, size) for price, size in reversed(self.asks[-10:]))
        return checksum(bids, asks, price_scale, size_scale)


def second_version(message: list[Any]) -> str:
    """Return a v1 book frame in the form of v2.

    v1: [channel id, {"as": levels, "bs": levels} or one or two of {"a": .., "b": .., "c": checksum}, "book-1000", pair], a level
    being [price, size, seconds] of texts. v2 sends a checksum with the snapshot too; v1 does not, so 0 stands in.
    """
    parts = {key: value for part in message[1:-2] for key, value in part.items()}
    kind = "snapshot" if "as" in parts else "update"
    bids, asks = parts.get("bs", parts.get("b", [])), parts.get("as", parts.get("a", []))
    seconds, _, fraction = max(level[2] for level in bids + asks).partition(".")
    time = f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"
    sides = (",".join(f'{{"price":{price},"qty":{size}}}' for price, size, *_ in side) for side in (bids, asks))
    return '{{"channel":"book","type":"{}","data":[{{"symbol":"{}","bids":[{}],"asks":[{}],"checksum":{},"timestamp":"{}"}}]}}'.format(
        kind, message[-1], *sides, parts.get("c", 0), time
    )


def test_kraken_checksums_of_a_session() -> None:
    """Ten books of depth 1000 over two minutes: each of 14,496 updates leaves the book with the checksum the venue sent."""
    books: dict[str, Book] = defaultdict(lambda: Book(1000))
    memory = Memory()
    verified = wrong = 0
    for place, (received_at, _, text) in enumerate(full_cryptofeed("KRAKEN-c197c0.0.zst"), 1):
        if not text.startswith("["):
            continue
        frame = frame_of("kraken", place, received_at, second_version(orjson.loads(text)))
        message = orjson.loads(text)
        if "as" in (snapshot := message[1]):  # what the instrument channel would have said first
            levels = snapshot["as"] + snapshot["bs"]
            memory["scales"] = memory.get("scales", {}) | {message[-1]: [max(scale_of(level[at]) for level in levels) for at in (0, 1)]}
        ((_, record),) = Kraken().read(frame, memory)
        book = books[record["symbol"]]
        book.apply(record)
        if not record["is_snapshot"]:
            verified += 1
            wrong += book.checksum(record["price_scale"], record["size_scale"]) != record["checksum"]
    assert len(books) == 10
    assert (verified, wrong) == (14_496, 0)
