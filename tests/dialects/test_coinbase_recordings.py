"""Real sessions of Coinbase, from the folder that TIDEWIRE_RECORDINGS names: what the venue promises of its numbers holds in them."""

from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from typing import Any

import cramjam
import orjson
import pytest

from dialects.coinbase.dialect import AdvancedTrade, Coinbase, CoinbaseDerivatives
from dialects.coinbase_exchange.dialect import CoinbaseExchange
from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Fields, Frame, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from dialects.rules import COINBASE_FULL
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import FULL, full_cryptofeed, needs_full
from tests.dialects.test_full_recordings import Book

pytestmark = needs_full
EXCHANGE, COINBASE, DERIVATIVES = CoinbaseExchange(), Coinbase(), CoinbaseDerivatives()
UNLIMITED = 10**9
PRODUCTS = "GET /api/v3/brokerage/market/products"


@cache
def session() -> list[tuple[int, str]]:
    """Return what came on the socket in the session of 2021: ten products, level2, ticker and matches."""
    return [(at, text) for at, address, text in full_cryptofeed("COINBASE.ws.28.0.zst") if address is None]


def packed(name: str) -> str:
    """Return a file of the recordings of single orders."""
    return bytes(cramjam.zstd.decompress((FULL / "orderbookmdp" / name).read_bytes())).decode()


def frame_of(place: int, at: int, text: str, request: str | None = None, venue: str = "coinbase_exchange") -> Frame:
    """Return the frame of one line of a session."""
    return Frame(venue, "archive", "c-1", place, at, "reply" if request else "message", request, text.encode())


def read(lines: list[tuple[int, str]]) -> list[DecodedEvent]:
    """Return the events in a session; nothing of it is refused."""
    return [one for place, (at, text) in enumerate(lines, 1) for one in EXCHANGE.read(frame_of(place, at, text), Memory())]


def captured(name: str, request: str, spoken: AdvancedTrade = COINBASE) -> list[DecodedEvent]:
    """Return the events in a reply of Advanced Trade of 2026."""
    text = (FULL / "nautilus" / "captured" / "coinbase" / f"{name}.json").read_text()
    return list(spoken.read(frame_of(1, 1_775_521_739_700_000, text, request, spoken.venue), Memory()))


def test_every_frame_of_2021_is_read() -> None:
    """9,946 frames: each but three answers is one event, read as a block alike, and heard as the stream that is read in it."""
    made, spoken = Counter[str](), EXCHANGE.session()
    for place, (at, text) in enumerate(session(), 1):
        frame = frame_of(place, at, text)
        found = list(EXCHANGE.read(frame, Memory()))
        shape = EXCHANGE.shape(frame.payload)
        assert (shape is not None) == bool(found)
        if shape is not None:
            assert decoded_events(shape, shape.decode(frame.payload, Memory())) == found
            stream = spoken.hear(frame.payload).stream
            assert stream is not None
            assert found[0].event in EXCHANGE.channels[stream.channel].events
            assert stream.symbol == found[0].fields["symbol"]
        made.update(one.event for one in found)
    assert made == {"book_delta": 9729, "quote": 107, "trade": 107}
    assert len(session()) == 9946


def test_trades_of_2021_count_by_one() -> None:
    """97 trades after ten of history: ids of each product follow one another, by the judge; one that is taken out is a hole."""
    trades = [fields for name, fields in read(session()) if name == "trade"]
    assert sum(one["replayed"] for one in trades) == 10
    for left_out in (None, 50):
        places: dict[str, Place | None] = {}
        found = Counter[Finding]()
        kept = [one for number, one in enumerate(trades) if number != left_out]
        for one in kept:
            sent = "history" if one["replayed"] else "live"
            number = one["sequence"]
            step = Step(number, number, "c-1", one["event_time"] + 50_000, one["event_time"], sent=sent)  # type: ignore[arg-type]  # of two words
            verdict = judge(EXCHANGE.channels["trade"].continuity, places.get(one["symbol"]), step)
            places[one["symbol"]] = verdict.place
            found[verdict.finding] += 1
        assert found == ({Finding.NEXT: 107} if left_out is None else {Finding.NEXT: 105, Finding.HOLE: 1})


def test_tickers_of_2021_say_the_taker_and_the_trades_the_maker() -> None:
    """For every trade that has a ticker too, the ticker's side, which is the taker's, is the side that we tell of the trade."""
    takers = {
        (message["product_id"], message["trade_id"]): message["side"]
        for _, text in session()
        if (message := orjson.loads(text))["type"] == "ticker"
    }
    trades = {(one["symbol"], one["sequence"]): one["side"] for name, one in read(session()) if name == "trade"}
    shared = takers.keys() & trades.keys()
    assert len(shared) == 107
    assert all(takers[key] == trades[key] for key in shared)


def test_books_of_2021_agree_with_the_tickers() -> None:
    """Ten books by snapshot and 9,719 updates never cross, and nearly every ticker's best bid and ask was the book's around its time."""
    books: dict[str, Book] = defaultdict(lambda: Book(UNLIMITED))
    best: dict[str, list[tuple[int, int]]] = defaultdict(list)
    quotes: list[tuple[str, int, tuple[int, int]]] = []
    for name, one in read(session()):
        symbol = one["symbol"]
        if name == "book_delta":
            book = books[symbol]
            book.apply(one)
            assert book.bids[-1][0] < -book.asks[-1][0]
            best[symbol].append((book.bids[-1][0], -book.asks[-1][0]))
        elif name == "quote":
            quotes.append((symbol, len(best[symbol]), (from_bytes(one["bid_price"]), from_bytes(one["ask_price"]))))
    assert len(books) == 10
    agreed = sum(quote in best[symbol][max(0, place - 30) : place + 30] for symbol, place, quote in quotes)
    assert agreed >= 100, f"{agreed} of {len(quotes)}"


class Orders:
    """Single orders as they rest: by what `full` tells, and by what a trade takes of the maker's, which it does not."""

    def __init__(self, book: list[Fields]) -> None:
        self.resting = {one["order_id"]: (one["side"], from_bytes(one["price"]), from_bytes(one["size"])) for one in book}

    def tell(self, one: Fields) -> None:
        """Apply a change; what has never rested is ignored."""
        if one["action"] == "delete":
            self.resting.pop(one["order_id"], None)
        elif one["action"] == "add" or one["order_id"] in self.resting:
            self.resting[one["order_id"]] = (one["side"], from_bytes(one["price"]), from_bytes(one["size"]))

    def trade(self, maker: str, size: bytes) -> None:
        """Take a trade from the order that rested."""
        side, price, rest = self.resting[maker]
        self.resting[maker] = (side, price, rest - from_bytes(size))


@cache
def full_channel() -> list[str]:
    """Return 36,743 messages of `full` of 2018."""
    return packed("messages.jsonl.zst").splitlines()


def level3(name: str) -> list[Fields]:
    """Return the orders of a book of level 3."""
    request = "GET /products/BTC-USD/book?level=3"
    return [one.fields for one in EXCHANGE.read(frame_of(1, 1, packed(name), request), Memory())]


def test_single_orders_of_2018_lead_from_one_book_to_the_next() -> None:
    """66,811 orders and every message of ten minutes make the 66,833 orders of the book after them, one by one."""
    orders, made = Orders(level3("beginning_level_3.json.zst")), Counter[str]()
    assert len(orders.resting) == 66_811
    for place, text in enumerate(full_channel(), 1):
        for name, one in EXCHANGE.read(frame_of(place, 1, text), Memory()):
            made[name] += 1
            if name == "trade":
                orders.trade(orjson.loads(text)["maker_order_id"], one["size"])
            else:
                orders.tell(one)
    assert made == {"order_delta": 23_973, "trade": 501}
    assert orders.resting == Orders(level3("ending_level_3.json.zst")).resting
    assert len(orders.resting) == 66_833


def test_single_orders_of_2018_count_by_one() -> None:
    """`sequence` goes on from the book's, over all messages of the product; of three that are left out, each is a hole, by the judge."""
    first = orjson.loads(packed("beginning_level_3.json.zst"))["sequence"]
    for left_out in (set[int](), {5, 900, 30_000}):
        place = judge(COINBASE_FULL, None, Step(first, first, "c-1", 1, is_snapshot=True)).place
        found = Counter[Finding]()
        for number, text in enumerate(full_channel()):
            if number not in left_out:
                sequence = orjson.loads(text)["sequence"]
                verdict = judge(COINBASE_FULL, place, Step(sequence, sequence, "c-1", number + 2))
                place = verdict.place
                found[verdict.finding] += 1
        assert found[Finding.HOLE] == len(left_out)
        assert found[Finding.NEXT] == len(full_channel()) - 2 * len(left_out)


def test_trades_of_2018_count_by_one() -> None:
    """The 501 trades among single orders have ids in a row."""
    numbers = [one["sequence"] for text in full_channel() for name, one in EXCHANGE.read(frame_of(1, 1, text), Memory()) if name == "trade"]
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_products_of_2021() -> None:
    """The Exchange's whole list, with sizes that it has since given up."""
    ((_, _, text),) = [line for line in full_cryptofeed("COINBASE.0.zst") if line[1]]
    made = [one.fields for one in EXCHANGE.read(frame_of(1, 1, text, "GET /products"), Memory())]
    assert len(made) == 162
    (found,) = [one for one in made if one["symbol"] == "SKL-EUR"]
    assert (found["min_size"], found["max_size"], found["tick_size"]) == (encode("5"), encode("1000000"), encode("0.0001"))
    assert all(one["is_full_listing"] and one["canonical_name"] for one in made)


def test_pairs_of_2026() -> None:
    """Advanced Trade lists a pair against dollars and its alias against USDC, and one alone in the same form."""
    made = [one.fields for one in captured("http_products", f"{PRODUCTS}?product_type=SPOT")]
    assert [(one["symbol"], one["canonical_name"], one["trading_status"]) for one in made] == [
        ("BTC-USD", "BTC-USD", "trading"),
        ("BTC-USDC", "BTC-USDC", "trading"),
    ]
    (alone,) = captured("http_product", f"{PRODUCTS}/BTC-USD")
    assert alone.fields == made[0]


def test_contracts_of_2026() -> None:
    """The nano bitcoin perpetual of 2030, and the future of April: what they are, and what they stood at, at 00:28:59."""
    perpetual, future = (one.fields for one in captured("http_products_future", f"{PRODUCTS}?product_type=FUTURE", DERIVATIVES))
    assert (perpetual["symbol"], perpetual["kind"], perpetual["canonical_name"]) == ("BIP-20DEC30-CDE", "perpetual", "BTC-USD-PERP")
    assert (future["symbol"], future["kind"], future["canonical_name"]) == ("BIT-24APR26-CDE", "future", "BTC-USD-20260424")
    assert {one["contract_size"] for one in (perpetual, future)} == {encode("0.01")}
    made: dict[str, list[Fields]] = defaultdict(list)
    standing = f"{PRODUCTS}?product_type=FUTURE&expiring_contract_status=STATUS_UNEXPIRED"
    for name, fields in captured("http_products_future", standing, DERIVATIVES):
        made[name].append(fields)
    (funding,) = made["funding_rate"]
    midnight = 1_775_520_000_000_000
    assert (funding["rate"], funding["settles_at"], funding["next_settles_at"]) == (encode("0.000013"), midnight, midnight + 3_600_000_000)
    assert [(one["symbol"], one["oi_native"]) for one in made["open_interest"]] == [
        ("BIP-20DEC30-CDE", encode("183283")),
        ("BIT-24APR26-CDE", encode("35445")),
    ]
    assert [one["index_price"] for one in made["mark_price"]] == [encode("68899.882564")]
    assert [one["state"] for one in made["venue_status"]] == ["online", "scheduled"] * 2


def test_trades_and_candles_of_2026() -> None:
    """Three trades whose ids count by one, at the maker's other side; two hours that had candles."""
    trades = [one.fields for one in captured("http_ticker", f"{PRODUCTS}/BTC-USD/ticker?limit=3")]
    assert [(one["sequence"], one["side"]) for one in trades] == [(995098661, "sell"), (995098662, "buy"), (995098663, "buy")]
    made = captured("http_candles", f"{PRODUCTS}/BTC-USD/candles?start=1712188800&end=1712196000&granularity=ONE_HOUR")
    assert [(one.fields["open_time"], one.fields["closed"]) for one in made] == [(1712192400_000000, False), (1712188800_000000, True)]


def test_what_is_not_asked_for_is_not_read() -> None:
    """A book of the best levels alone has no id that joins it to anything, so nobody asks for one: a reply with it is refused."""
    with pytest.raises(InvalidDatum, match="nobody knows"):
        captured("http_product_book", "GET /api/v3/brokerage/market/product_book?product_id=BTC-USD")


def test_documented_frames() -> None:
    """Each of the shapes that another program tests its reader of Advanced Trade with is read."""
    made = Counter[str]()
    for path in sorted((FULL / "nautilus" / "examples" / "coinbase").glob("*.json")):
        made.update(one.event for one in COINBASE.read(frame_of(1, 1, path.read_text(), venue="coinbase"), Memory()))
    assert made == {"book_delta": 2, "trade": 2, "quote": 1, "venue_candle": 1}


def test_what_other_programs_test_with() -> None:
    """Five of the six messages that another program tests its reader of the Exchange with; the sixth is the body of a reply."""
    lines = [orjson.loads(line) for line in (FULL / "crypto-msg-parser" / "raw_and_expected.jsonl").read_text().splitlines()]
    found: dict[str, Any] = {}
    for line in lines:
        if line["exchange"] != "coinbase_pro":
            continue
        try:
            (one,) = EXCHANGE.read(frame_of(1, 1, line["raw"]), Memory())
            found[line["test"]] = one.event
        except InvalidDatum as refused:
            found[line["test"]] = str(refused).partition(":")[2][:16]
    assert found == {
        "trade": "trade",
        "l2_orderbook_snapshot": "book_delta",
        "l2_orderbook_update": "book_delta",
        "l3_event": "order_delta",
        "ticker": "quote",
        "l2_snapshot": " unknown type ''",
    }
