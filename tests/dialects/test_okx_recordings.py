"""Real sessions of OKX, from the folder that TIDEWIRE_RECORDINGS names: what the venue promises of its books holds in what is read."""

import zlib
from collections import Counter, defaultdict
from itertools import zip_longest
from typing import Any

import orjson
import pytest

from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Frame, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from dialects.okx.dialect import Okx
from schemas.decimals import encode, from_bytes, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, full_cryptofeed, needs_full
from tests.dialects.test_full_recordings import Book

pytestmark = needs_full
SPOKEN = Okx()
SESSIONS = {"OKEX.ws.1.0.zst": (1504, 36), "OKX.ws.1.0_2022-02-27_books-l2-tbt.zst": (3679, 19)}
"""Session → its messages of books, and its trades."""
UNLIMITED = 10**9


def read(payload: str, memory: Memory, request: str | None = None) -> list[DecodedEvent]:
    """Return the events in one text of the venue."""
    kind = "message" if request is None else "reply"
    return list(SPOKEN.read(Frame("okx", "archive", "c-1", 1, 1_790_000_000_000_000, kind, request, payload.encode()), memory))


def completed(texts: list[str]) -> list[str]:
    """Return messages with sequence ids, which books of 2021 and 2022 do not have yet: each names the one before, and ids skip."""
    last: dict[str, int] = {}
    made = []
    for text in texts:
        message = orjson.loads(text)
        if "action" in message:
            symbol, (row,) = message["arg"]["instId"], message["data"]
            again = message["action"] == "snapshot" and symbol in last  # asked for a second time: the book is where it was
            row["prevSeqId"] = -1 if message["action"] == "snapshot" else last[symbol]
            last[symbol] = row["seqId"] = last.get(symbol, 0) + (0 if again else 3)
        made.append(orjson.dumps(message).decode())
    return made


def checksum(book: Book, texts: dict[int, str]) -> int:
    """Return the checksum that the venue then sent: of the best 25 levels of both sides in turn, as it writes their numbers."""
    bids, asks = book.bids[:-26:-1], [(-price, size) for price, size in book.asks[:-26:-1]]
    parts = [f"{texts[price]}:{texts[size]}" for pair in zip_longest(bids, asks) for price, size in filter(None, pair)]
    return zlib.crc32(":".join(parts).encode())


@pytest.mark.parametrize("name", SESSIONS)
def test_books_of_a_session_are_right_by_the_venues_own_checksum(name: str) -> None:
    """Ten instruments of all kinds: nothing is refused, each book keeps to 400 levels or little more, and all checksums are right."""
    texts = [text for _, _, text in full_cryptofeed(name)]
    books: dict[str, Book] = defaultdict(lambda: Book(UNLIMITED))
    written: dict[int, str] = {}
    memory, counts, places = Memory(), Counter[str](), dict[str, Place | None]()
    for text in completed(texts):
        message = orjson.loads(text)
        made = read(text, memory)
        counts[made[0].event if made else message.get("event") or message["arg"]["channel"]] += 1
        if not made or made[0].event != "book_delta":
            continue
        ((_, fields),) = made
        (row,) = message["data"]
        written |= {unscaled(number): number for level in row["bids"] + row["asks"] for number in level[:2]}
        book = books[fields["symbol"]]
        book.apply(fields)
        assert checksum(book, written) == row["checksum"] % 2**32
        assert max(len(book.bids), len(book.asks)) < fields["depth"] + 10
        time = fields["event_time"]
        step = Step(None, fields["last_sequence"], "c", time, time, previous=fields["previous_sequence"], is_snapshot=fields["is_snapshot"])
        verdict = judge(SPOKEN.channels["book"].continuity, places.get(fields["symbol"]), step)
        places[fields["symbol"]] = verdict.place
        assert verdict.finding is Finding.NEXT or (fields["is_snapshot"] and verdict.finding is Finding.REPEAT)
    deltas, trades = SESSIONS[name]
    assert (counts["book_delta"], counts["trade"]) == (deltas, trades)
    assert set(counts) == {"book_delta", "trade", "subscribe", "tickers"}
    assert len(books) == 10


def test_frames_are_heard_and_read_as_blocks() -> None:
    """Every real data frame of a carried channel has a shape that reads what `read` does, and the feed hears its instrument."""
    session = SPOKEN.session()
    for name in SESSIONS:
        for text in completed([text for _, _, text in full_cryptofeed(name)]):
            made, payload = read(text, Memory()), text.encode()
            shape = SPOKEN.shape(payload)
            assert (shape is not None) == bool(made)
            if shape is not None:
                assert decoded_events(shape, shape.decode(payload, Memory())) == made
                heard = session.hear(payload).stream
                assert heard is not None
                assert (made[0].event in SPOKEN.channels[heard.channel].events, heard.symbol) == (True, made[0].fields["symbol"])


def test_live_frames_of_2026() -> None:
    """Liquidations are of the side that their authors measured."""
    lines = [orjson.loads(line) for line in (FULL / "live_frames_2026" / "frames.jsonl").read_text().splitlines()]
    found = [(line, read(line["raw"], Memory())) for line in lines if line["venue"] == "okx"]
    assert len(found) == 3
    for line, ((name, fields),) in found:
        assert (name, fields["liquidated_side"]) == ("liquidation", line["expected"]["liquidated_position"])
        (detail,) = orjson.loads(line["raw"])["data"][0]["details"]
        assert (fields["size_native"], fields["price"]) == (encode(detail["sz"]), encode(detail["bkPx"]))


def test_trades_of_2025_count_by_one() -> None:
    """Two messages of `trades`, each of one trade, of which the second has the next id."""
    texts = (FULL / "gocryptotrader" / "okx_wsAllTrades.json").read_text().splitlines()
    ids = [int(made.fields["trade_id"]) for text in texts for made in read(text, Memory())]
    assert ids == list(range(ids[0], ids[0] + len(texts)))


CAPTURED = {
    "http_get_candlesticks_full": ("GET /api/v5/market/candles?instId=BTC-USDT-SWAP&bar=1m", "venue_candle"),
    "http_get_index_price": ("GET /api/v5/market/index-tickers?instId=BTC-USDT", "mark_price"),
    "http_get_mark_price": ("GET /api/v5/public/mark-price?instType=SWAP&instId=BTC-USDT-SWAP", "mark_price"),
    "http_get_trades": ("GET /api/v5/market/trades?instId=BTC-USDT", "trade"),
    **{
        f"http_get_instruments_{kind}": (f"GET /api/v5/public/instruments?instType={kind.upper()}", "instrument")
        for kind in ("spot", "margin", "swap", "futures", "option")
    },
}


@pytest.mark.parametrize("name", CAPTURED)
def test_replies_of_2025_are_read(name: str) -> None:
    """Each captured reply becomes an event for each of its rows; instruments have a canonical name and, if contracts, a size."""
    request, event = CAPTURED[name]
    text = (FULL / "nautilus" / "captured" / "okx" / f"{name}.json").read_text()
    made = read(text, Memory(), request)
    assert [one.event for one in made] == [event] * len(orjson.loads(text)["data"])
    for _, fields in made:
        if event == "instrument":
            assert fields["canonical_name"]
            assert (fields["contract_size"] is not None) == (fields["kind"] != "spot")
            assert fields["trading_status"] == "trading"


def test_a_captured_candle_says_the_contracts_size() -> None:
    """Contracts by what each holds are the base volume that the venue says, to the last digit."""
    text = (FULL / "nautilus" / "captured" / "okx" / "http_get_candlesticks_full.json").read_text()
    for _, fields in read(text, Memory(), CAPTURED["http_get_candlesticks_full"][0]):
        assert from_bytes(fields["volume"]) == from_bytes(fields["base_volume"]) * 100


REFUSED = {
    "books-l2-tbt of 2022, without sequence ids": 5,
    "books5, which is another book": 6,
    "candle1m of 2022, of seven columns": 6,
    "books asked for over REST, which no request of ours names": 6,
    "version 3 of the API": 17,
}


def test_what_other_programs_test_with() -> None:
    """Of 66 messages of 2021 and 2022 all that are of today's form are read; each of the others is refused, for a reason that is known."""
    lines = [orjson.loads(line) for line in (FULL / "crypto-msg-parser" / "raw_and_expected.jsonl").read_text().splitlines()]
    counts: Counter[str] = Counter()
    for line in lines:
        if line["exchange"] != "okx":
            continue
        document = orjson.loads(line["raw"])
        request = "GET /api/v5/public/open-interest" if "oi" in str(document.get("data", "")) and "code" in document else None
        try:
            made = read(line["raw"], Memory(), request)
        except InvalidDatum:
            counts[reason(document)] += 1
        else:
            counts[made[0].event if made else document["arg"]["channel"]] += 1
    assert counts == Counter(REFUSED) + Counter({"trade": 6, "quote": 6, "funding_rate": 2, "tickers": 6, "open_interest": 6})
    assert sum(counts.values()) == 66


def reason(document: dict[str, Any]) -> str:
    """Return why a message is not read."""
    if "table" in document:
        return "version 3 of the API"
    if "code" in document:
        return "books asked for over REST, which no request of ours names"
    channel = document["arg"]["channel"]
    return next(text for text in REFUSED if text.startswith(channel))
