"""Real sessions and replies of Binance's futures, from the folder that TIDEWIRE_RECORDINGS names: nothing of them is refused unread."""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from typing import Any

import orjson
import pytest

from dialects.binance_futures.dialect import BinanceCoinm, BinanceFutures, BinanceUsdm
from dialects.binance_futures.market import dollars
from dialects.continuity import Finding, Place, Step
from dialects.contract import Fields, Frame, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, full_cryptofeed, needs_full
from tests.dialects.test_full_recordings import Book

pytestmark = needs_full
USDM, COINM = BinanceUsdm(), BinanceCoinm()
UNLIMITED = 10**9
Line = tuple[int, str | None, str]
SESSIONS = {
    "binance_usdm": (USDM, ("BINANCE_FUTURES-1125a2.0.zst",)),
    "binance_coinm": (COINM, ("BINANCE_DELIVERY.http.6.0.zst", "BINANCE_DELIVERY.ws.7.0.zst")),
}
each_session = pytest.mark.parametrize("venue", SESSIONS)


def frames_of(spoken: BinanceFutures, names: tuple[str, ...]) -> list[Frame]:
    """Return a session's frames by their time of receipt; a later file of it has what the one before lacks."""
    lines: list[Line] = sorted((line for name in names for line in full_cryptofeed(name)), key=lambda line: line[0])
    return [
        Frame(
            spoken.venue,
            "archive",
            "c-1",
            place,
            at,
            "reply" if address else "message",
            "GET " + re.sub(r"https?://[^/]+", "", address) if address else None,
            text.encode(),
        )
        for place, (at, address, text) in enumerate(lines, 1)
    ]


def session(venue: str) -> tuple[BinanceFutures, list[tuple[Frame, str, Fields]]]:
    """Return the events of a session, each with its frame: none of its frames is refused."""
    spoken, names = SESSIONS[venue]
    memory = Memory()
    return spoken, [(frame, *one) for frame in frames_of(spoken, names) for one in spoken.read(frame, memory)]


@pytest.mark.parametrize(
    ("venue", "counts"),
    [
        ("binance_usdm", {"book_delta": 4428, "quote": 3424, "trade": 574}),
        ("binance_coinm", {"book_delta": 2439, "quote": 7082, "trade": 131}),
    ],
)
def test_every_frame_of_a_session_is_read(venue: str, counts: dict[str, int]) -> None:
    """Each frame becomes one event, and aggregate trades count by one for each symbol."""
    _, made = session(venue)
    assert Counter(event for _, event, _ in made) == counts
    ids: dict[str, list[int]] = defaultdict(list)
    for _, event, fields in made:
        if event == "trade":
            ids[fields["symbol"]].append(fields["sequence"])
    assert all(found == list(range(found[0], found[0] + len(found))) for found in ids.values())


@each_session
def test_frames_of_a_session_are_heard_and_read_as_blocks(venue: str) -> None:
    """Every pushed frame has a shape that reads what `read` does, and the feed hears the symbol that is read in it."""
    spoken, names = SESSIONS[venue]
    hearing = spoken.session()
    for frame in frames_of(spoken, names):
        if frame.kind == "reply":
            continue
        shape = spoken.shape(frame.payload)
        assert shape is not None
        made = list(spoken.read(frame, Memory()))
        assert decoded_events(shape, shape.decode(frame.payload, Memory())) == made
        stream = hearing.hear(frame.payload).stream
        assert stream is not None
        assert made[0].event in spoken.channels[stream.channel].events
        assert stream.symbol == made[0].fields["symbol"]


def step(frame: Frame, fields: Fields) -> Step:
    """Return what one event of a book says of continuity."""
    return Step(
        fields["first_sequence"],
        fields["last_sequence"],
        frame.connection_id,
        frame.received_at,
        fields["event_time"],
        previous=fields.get("previous_sequence"),
        is_snapshot=fields["is_snapshot"],
    )


def findings(spoken: BinanceFutures, steps: list[Step]) -> list[Finding]:
    """Return what the venue's rule finds each step to be."""
    place: Place | None = None
    found = []
    for one in steps:
        verdict = judge(spoken.channels["book"].continuity, place, one)
        place = verdict.place
        found.append(verdict.finding)
    return found


@pytest.mark.parametrize(("venue", "books", "agreed"), [("binance_usdm", 5, 4378), ("binance_coinm", 10, 2198)])
def test_books_of_a_session_are_its_quotes(venue: str, books: int, agreed: int) -> None:
    """Joined to its snapshot and changed by the rule, a book's best levels are those of the last quote up to its id, price and size.

    But for sizes of COIN-M that the snapshot alone has said, of two contracts, in twelve changes: the quotes have others there until the
    level is changed.
    """
    spoken, made = session(venue)
    steps: dict[str, list[tuple[Step, Fields]]] = defaultdict(list)
    quotes: dict[str, list[Fields]] = defaultdict(list)
    for frame, event, fields in made:
        if event == "book_delta":
            steps[fields["symbol"]].append((step(frame, fields), fields))
        elif event == "quote":
            quotes[fields["symbol"]].append(fields)
    same, other = 0, 0
    for symbol, found in steps.items():
        told = findings(spoken, [one for one, _ in found])
        assert set(told) <= {Finding.NEXT, Finding.REPEAT}
        ids = [quote["sequence"] for quote in quotes[symbol]]
        assert ids == sorted(ids)
        book, changed = Book(UNLIMITED), set[int]()
        for (one, fields), finding in zip(found, told, strict=True):
            if finding is not Finding.NEXT or not (one.is_snapshot or book.bids):
                continue
            book.apply(fields)
            if one.is_snapshot:
                continue
            changed |= {from_bytes(price) for price in fields["bid_prices"] + fields["ask_prices"]}
            place = bisect_right(ids, fields["last_sequence"]) - 1
            if place < 1:
                continue
            quote, (bid, ask) = quotes[symbol][place], (book.bids[-1], (-book.asks[-1][0], book.asks[-1][1]))
            assert (bid[0], ask[0]) == (from_bytes(quote["bid_price"]), from_bytes(quote["ask_price"]))
            sizes = (from_bytes(quote["bid_size"]), from_bytes(quote["ask_size"]))
            same += (bid[1], ask[1]) == sizes
            for (price, size), wanted in zip((bid, ask), sizes, strict=True):
                if size != wanted:
                    other += 1
                    assert price not in changed
    assert len(steps) == books
    assert (same, other) == (agreed, 0 if spoken is USDM else 16)


@each_session
def test_a_change_that_is_taken_out_of_a_session_is_told(venue: str) -> None:
    """Of each book one message in its midst is left out: one hole is found, there, by the predecessor that the next one names."""
    spoken, made = session(venue)
    steps: dict[str, list[Step]] = defaultdict(list)
    for frame, event, fields in made:
        if event == "book_delta":
            steps[fields["symbol"]].append(step(frame, fields))
    holes = 0
    for found in steps.values():
        told = findings(spoken, found)
        for place in range(3, len(found) - 2):
            if told[place - 1 : place + 2] == [Finding.NEXT] * 3 and not any(one.is_snapshot for one in found[place - 1 : place + 2]):
                again = findings(spoken, found[:place] + found[place + 1 :])
                assert [at for at, finding in enumerate(again) if finding is Finding.HOLE] == [place]
                holes += 1
                break
    assert holes == len(steps)


UNREAD = {
    *(f"/fapi/v1/{name}" for name in ("indexInfo", "ticker/24hr", "ticker/bookTicker", "ticker/price", "time", "trades")),
    *(f"/dapi/v1/{name}" for name in ("continuousKlines", "indexPriceKlines", "markPriceKlines", "ticker/24hr")),
    *(f"/dapi/v1/{name}" for name in ("ticker/bookTicker", "ticker/price", "trades", "historicalTrades")),
    "/futures/data/basis",
}
"""What is asked for nowhere: the day's statistics, what trades and quotes say too, klines of an index, and what follows from two prices."""


def replies(name: str) -> list[dict[str, Any]]:
    """Return the lines of recorded replies."""
    lines = (FULL / "gocryptotrader" / f"{name}.jsonl").read_text().splitlines()
    return [line for line in map(orjson.loads, lines) if line["path"] not in UNREAD]


def read_reply(line: dict[str, Any]) -> tuple[BinanceFutures, list[tuple[str, Fields]]]:
    """Return the events of a recorded reply, whose sender its path or what was asked tells."""
    of_coins = line["path"].startswith("/dapi") or "pair=" in (line["query"] or "")
    spoken = COINM if of_coins else USDM
    request = f"GET {line['path']}" + (f"?{line['query']}" if line["query"] else "")
    frame = Frame(spoken.venue, "archive", "c-1", 1, 1_800_000_000_000_000, "reply", request, orjson.dumps(line["body"]))
    return spoken, [(event, fields) for event, fields in spoken.read(frame, Memory())]


@pytest.mark.parametrize(
    ("name", "read", "refused"),
    [
        ("binance_usdm_rest", 26, {}),
        ("binance_coinm_rest", 17, {"Maximum time interval is 200 days. (code -4088)": 1}),
        ("binance_futures_data_rest", 23, {"open interest of 'BTCUSD', 'CURRENT_QUARTER', which names no symbol": 2}),
    ],
)
def test_recorded_replies_are_read(name: str, read: int, refused: dict[str, int]) -> None:
    """All that has a reader is read, but for what names no symbol and one error of the venue's, which lasts."""
    count, reasons = 0, Counter[str]()
    for line in replies(name):
        try:
            _, made = read_reply(line)
        except InvalidDatum as error:
            reasons[str(error).split(": ", 2 if "code" in str(error) else 1)[-1]] += 1
            continue
        count += 1
        nothing = line["body"] in (None, []) or line["path"].endswith("fundingInfo")
        assert bool(made) != nothing
    assert (count, reasons) == (read, refused)


def test_contracts_hold_what_the_list_says() -> None:
    """The dollars that a contract of each pair of COIN-M is taken for are those of the venue's own list."""
    (line,) = [line for line in replies("binance_coinm_rest") if line["path"].endswith("exchangeInfo")]
    _, made = read_reply(line)
    sizes = {fields["symbol"]: fields["contract_size"] for _, fields in made}
    assert len(sizes) == 25
    assert {symbol: dollars(symbol, encode("1")) for symbol in sizes} == sizes
    assert {fields["kind"] for _, fields in made} == {"perpetual"}
    assert all(fields["is_full_listing"] for _, fields in made)


def test_intervals_of_funding_are_measured() -> None:
    """Fundings of 2020 came eight hours apart, give or take milliseconds that their times keep."""
    found = [made for line in replies("binance_usdm_rest") if line["path"].endswith("fundingRate") for made in [read_reply(line)[1]]]
    rates = max(found, key=len)
    assert len(rates) > 5
    assert {fields["interval_s"] for _, fields in rates[1:]} == {8 * 3600}
    assert any(fields["settles_at"] % 1_000_000 for _, fields in rates)


def test_live_frames_of_2026() -> None:
    """Each frame after the markets merged is read, and liquidations are of the side that their authors measured."""
    lines = [orjson.loads(line) for line in (FULL / "live_frames_2026" / "frames.jsonl").read_text().splitlines()]
    seen = Counter[str]()
    for line in lines:
        if not line["venue"].startswith("binance-futures"):
            continue
        made = list(USDM.read(Frame("binance_usdm", "archive", "c-1", 1, 1, "message", None, line["raw"].encode()), Memory()))
        seen |= Counter({one.event: seen[one.event] + 1 for one in made})
        position = (line["expected"] or {}).get("liquidated_position")
        assert position in {None, made[0].fields.get("liquidated_side")}
    assert seen == {"liquidation": 5, "quote": 1, "trade": 1, "mark_price": 1, "funding_rate": 1, "venue_candle": 1}


def test_what_another_program_tests_with() -> None:
    """Its messages of futures of 2021 and 2022 are read, but for best levels, the day's statistics, and one of options."""
    refused, read = Counter[str](), Counter[str]()
    for line in map(orjson.loads, (FULL / "crypto-msg-parser" / "raw_and_expected.jsonl").read_text().splitlines()):
        if line["exchange"] != "binance" or line["market_type"] == "Spot":
            continue
        spoken = USDM if line["market_type"].startswith("Linear") else COINM
        path = {"l2_snapshot": "depth", "open_interest": "openInterest"}.get(line["module"])
        symbol = orjson.loads(line["raw"]).get("symbol", line["pair"]) if path else None
        request = f"GET {spoken.market.api}/{path}?symbol={symbol}" if path else None
        kind = "reply" if path else "message"
        try:
            made = spoken.read(Frame(spoken.venue, "archive", "c-1", 1, 1, kind, request, line["raw"].encode()), Memory())
        except InvalidDatum:
            refused[line["module"]] += 1
            continue
        read[line["module"]] += 1
        assert list(made)
    assert refused == {"l2_topk": 5, "ticker": 8, "trade": 1}
    assert read == {"trade": 4, "funding_rate": 4, "l2_event": 4, "bbo": 4, "candlestick": 4, "l2_snapshot": 4, "open_interest": 4}
