"""What Coinbase answers over REST, Advanced Trade and Exchange: requests, pages, products, contracts, trades, candles, refusals."""

from typing import Any

import orjson
import pytest

from dialects.catalogue import all_dialects
from dialects.coinbase.dialect import Coinbase, CoinbaseDerivatives
from dialects.coinbase_exchange.dialect import CoinbaseExchange
from dialects.contract import DecodedEvent, PartlyInvalid, Request
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

COINBASE, DERIVATIVES, EXCHANGE = Coinbase(), CoinbaseDerivatives(), CoinbaseExchange()
PRODUCTS = "/api/v3/brokerage/market/products"
STANDING = f"GET {PRODUCTS}?product_type=FUTURE&expiring_contract_status=STATUS_UNEXPIRED"
CONTRACT: dict[str, Any] = {
    "contract_expiry": "2030-12-20T16:00:00Z",
    "contract_expiry_type": "EXPIRING",
    "contract_size": "0.01",
    "contract_root_unit": "BTC",
    "perpetual_details": {"open_interest": "1"},
    "funding_interval": "3600s",
    "open_interest": "183000",
    "funding_rate": "-0.000013",
    "funding_time": "2026-10-02T09:00:00Z",
    "index_price": "64250.882564",
    "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
}
SESSION: dict[str, Any] = {
    "session_state": "FCM_TRADING_SESSION_STATE_OPEN",
    "open_time": "2026-10-01T21:00:00Z",
    "close_time": "2026-10-02T21:00:00Z",
    "closed_reason": "FCM_TRADING_SESSION_CLOSED_REASON_EXCHANGE_MAINTENANCE",
    "maintenance": {"start_time": "2026-10-10T14:00:00Z", "end_time": "2026-10-10T17:00:00Z"},
}
NINE = 1_790_931_600_000_000
HOUR = 3_600_000_000


def read(spoken: Any, request: str, document: Any, memory: Memory | None = None) -> list[DecodedEvent]:
    """Return the events of a reply."""
    payload = document if isinstance(document, bytes) else orjson.dumps(document)
    return list(spoken.read(frame(spoken.venue, payload, request), Memory() if memory is None else memory))


def spot(**changes: Any) -> dict[str, Any]:
    """Return a pair of Advanced Trade's list."""
    row = {"product_id": "BTC-USD", "product_type": "SPOT", "base_currency_id": "BTC", "quote_currency_id": "USD", "status": "online"}
    sizes = {"base_increment": "0.00000001", "quote_increment": "0.01", "price_increment": "0.01", "base_min_size": "0.00000001"}
    return row | sizes | {"base_max_size": "3400", "quote_min_size": "1", "fcm_trading_session_details": None} | changes


def future(contract: dict[str, Any] | None = None, session: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a contract of Advanced Trade's list."""
    row = {"product_id": "BIP-20DEC30-CDE", "product_type": "FUTURE", "base_currency_id": "", "status": "", "base_increment": "1"}
    details = {"future_product_details": CONTRACT | (contract or {}), "fcm_trading_session_details": SESSION | (session or {})}
    return spot() | row | {"price_increment": "5", "base_min_size": "1"} | details | changes


def products(*listed: dict[str, Any], **pages: Any) -> dict[str, Any]:
    """Return a reply with products."""
    return {"products": listed, "num_products": len(listed), "pagination": pages or None}


def test_a_pair() -> None:
    """What is traded, its steps and limits, and its one name; the venue gives no list that is known to be whole."""
    ((name, made),) = read(COINBASE, f"GET {PRODUCTS}?product_type=SPOT", products(spot()))
    assert (name, made["symbol"], made["kind"], made["canonical_name"]) == ("instrument", "BTC-USD", "spot", "BTC-USD")
    assert (made["price_scale"], made["size_scale"], made["trading_status"], made["status"]) == (2, 8, "trading", "online")
    assert (made["tick_size"], made["lot_size"], made["max_size"]) == (encode("0.01"), encode("0.00000001"), encode("3400"))
    assert (made["min_notional"], made["margin_type"]) == (encode("1"), "none")
    assert "is_full_listing" not in made


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"post_only": True}, "post_only"), ({"auction_mode": True}, "auction"), ({"limit_only": True}, "trading"),
        ({"cancel_only": True}, "suspended"), ({"trading_disabled": True}, "suspended"), ({"is_disabled": True}, "suspended"),
        ({"status": "delisted"}, "delisted"), ({"status": "offline"}, "suspended"), ({"status": "new"}, "unknown"),
    ],
)  # fmt: skip
def test_whether_a_pair_trades(changes: dict[str, Any], status: str) -> None:
    """By the venue's status and its flags; limit orders alone are trading still."""
    ((_, made),) = read(COINBASE, f"GET {PRODUCTS}?product_type=SPOT", products(spot(**changes)))
    assert made["trading_status"] == status


def test_a_perpetual_and_a_future() -> None:
    """A funding rate tells the perpetual, whose type is EXPIRING too; a contract is a hundredth of a bitcoin, settled in dollars."""
    dated = {"contract_expiry": "2026-10-30T15:00:00Z", "funding_rate": "", "funding_interval": None, "funding_time": None}
    listed = products(future(), future(dated, product_id="BIT-30OCT26-CDE"))
    perpetual, made = (fields for _, fields in read(DERIVATIVES, f"GET {PRODUCTS}?product_type=FUTURE", listed))
    assert (perpetual["kind"], perpetual["canonical_name"], perpetual["funding_interval_s"]) == ("perpetual", "BTC-USD-PERP", 3600)
    assert (perpetual["contract_size"], perpetual["contract_size_unit"], perpetual["margin_type"]) == (encode("0.01"), "base", "linear")
    assert (perpetual["base"], perpetual["quote"], perpetual["tick_size"], perpetual["lot_size"]) == (
        "BTC",
        "USD",
        encode("5"),
        encode("1"),
    )
    assert (perpetual["trading_status"], perpetual["asset_class"]) == ("trading", "crypto")
    assert (made["kind"], made["canonical_name"], made["funding_interval_s"]) == ("future", "BTC-USD-20261030", None)
    assert made["expiry_time"] == 1_793_372_400_000_000


def test_what_a_contract_stands_at() -> None:
    """Index, the funding that was charged, open interest in contracts, its session, and the maintenance ahead: each told by itself."""
    made = read(DERIVATIVES, STANDING, products(future()))
    index, funding, interest, session, maintenance = (fields for _, fields in made)
    assert [name for name, _ in made] == ["mark_price", "funding_rate", "open_interest", "venue_status", "venue_status"]
    assert (index["index_price"], index.get("mark_price")) == (encode("64250.882564"), None)
    assert (funding["rate"], funding["rate_kind"], funding["interval_s"]) == (encode("-0.000013"), "settled", 3600)
    assert (funding["settles_at"], funding["next_settles_at"]) == (NINE, NINE + HOUR)
    assert (interest["oi_native"], interest["oi_native_unit"], interest["sides"]) == (encode("183000"), "contract", "unknown")
    assert "oi_base" not in interest
    assert (session["state"], session["kind"], session["begins_at"], session["ends_at"]) == (
        "online",
        "unknown",
        NINE - 12 * HOUR,
        NINE + 12 * HOUR,
    )
    assert (maintenance["state"], maintenance["kind"], maintenance["begins_at"]) == (
        "scheduled",
        "planned",
        NINE + 8 * 24 * HOUR + 5 * HOUR,
    )


def test_what_has_not_changed_is_not_told_again() -> None:
    """The list is asked for each minute: of it what is new alone is told, and a session that closes says why."""
    memory = Memory()
    read(DERIVATIVES, STANDING, products(future()), memory)
    assert read(DERIVATIVES, STANDING, products(future()), memory) == []
    ((name, made),) = read(DERIVATIVES, STANDING, products(future({"open_interest": "0"})), memory)
    assert (name, made["oi_native"]) == ("open_interest", encode("0"))
    closed = future({"open_interest": "0"}, {"session_state": "FCM_TRADING_SESSION_STATE_CLOSE"})
    ((name, made),) = read(DERIVATIVES, STANDING, products(closed), memory)
    assert (name, made["state"], made["kind"]) == ("venue_status", "halted", "planned")


def test_what_a_contract_does_not_say_is_not_told() -> None:
    """Empty text is nothing: no index, no funding, no interest, and no session of a pair."""
    empty = dict.fromkeys(("index_price", "funding_rate", "open_interest"), "")
    made = read(DERIVATIVES, STANDING, products(future(empty, fcm_trading_session_details=None), spot()))
    assert made == []


@pytest.mark.parametrize("request_text", [STANDING, f"GET {PRODUCTS}?product_type=FUTURE"])
def test_one_product_that_cannot_be_costs_no_other(request_text: str) -> None:
    """The others are told all the same."""
    with pytest.raises(PartlyInvalid) as refused:
        read(DERIVATIVES, request_text, products(future({"funding_interval": "often"}), future(product_id="OTHER-1-CDE")))
    assert {one.fields["symbol"] for one in refused.value.events} == {"OTHER-1-CDE"}


def test_pages() -> None:
    """A cursor is escaped and replaces the one before; the last page has none, and one that leads to itself ends."""
    first = COINBASE.listing_request()
    assert first.path == f"{PRODUCTS}?product_type=SPOT"
    body = orjson.dumps(products(spot(), next_cursor="bm/V4dA==", has_next=True))
    second = COINBASE.next_page(first, body)
    assert second == Request("GET", f"{first.path}&cursor=bm%2FV4dA%3D%3D")
    assert second is not None
    assert COINBASE.next_page(second, body) is None
    third = COINBASE.next_page(second, orjson.dumps(products(spot(), next_cursor="x", has_next=True)))
    assert third == Request("GET", f"{first.path}&cursor=x")
    assert COINBASE.next_page(Request("GET", PRODUCTS), body) == Request("GET", f"{PRODUCTS}?cursor=bm%2FV4dA%3D%3D")
    for last in (products(spot()), products(spot(), next_cursor="x", has_next=False), products(spot(), has_next=True)):
        assert COINBASE.next_page(first, orjson.dumps(last)) is None
    assert COINBASE.next_page(Request("GET", "/else"), body) is None


def test_trades_of_advanced_trade_are_asked_for_by_time() -> None:
    """From the second of the last known trade, for a minute or to another; not without a time, nor of contracts, whose ids do not count."""
    request = COINBASE.trades_request("BTC-USD", 9, NINE + 999_999)
    assert request == Request("GET", f"{PRODUCTS}/BTC-USD/ticker?limit=1000&start=1790931600&end=1790931660")
    for until, end in ((NINE + 7_500_000, 1790931607), (NINE, 1790931601)):
        request = COINBASE.trades_request("BTC-USD", 9, NINE, until)
        assert request == Request("GET", f"{PRODUCTS}/BTC-USD/ticker?limit=1000&start=1790931600&end={end}")
    assert COINBASE.trades_request("BTC-USD", 9, None) is None
    assert COINBASE.trades_request("BIT-30OCT26-CDE", 9, NINE) is None
    assert DERIVATIVES.trades_request("BIT-30OCT26-CDE", 9, NINE) is None


def test_trades_of_a_reply() -> None:
    """Newest first as they come, oldest first as they are told; the side is turned to the taker's, and they are no history of a socket."""
    rows = [
        {"trade_id": str(number), "product_id": "BTC-USD", "price": "1.5", "size": "2", "time": "2026-10-02T09:00:00Z", "side": "SELL"}
        for number in (12, 11)
    ]
    made = read(COINBASE, f"GET {PRODUCTS}/BTC-USD/ticker?limit=2", {"trades": rows, "best_bid": "1", "best_ask": "2"})
    assert [(one.fields["sequence"], one.fields["side"], one.fields["replayed"]) for one in made] == [
        (11, "buy", False),
        (12, "buy", False),
    ]
    with pytest.raises(InvalidDatum, match="where that of 'ETH-USD' was asked for"):
        read(COINBASE, f"GET {PRODUCTS}/ETH-USD/ticker?limit=2", {"trades": rows})


def test_trades_of_the_exchange_are_asked_for_by_number() -> None:
    """A page that holds the id asked for, whether the id it is asked by is part of it or not."""
    assert EXCHANGE.trades_request("BTC-USD", 5001, None) == Request("GET", "/products/BTC-USD/trades?limit=1000&after=6000")
    rows = [{"time": "2026-10-02T09:00:00Z", "trade_id": number, "price": "1", "size": "2", "side": "buy"} for number in (8, 7)]
    made = read(EXCHANGE, "GET /products/BTC-USD/trades?limit=1000&after=9", rows)
    wanted = [("BTC-USD", 7, "sell"), ("BTC-USD", 8, "sell")]
    assert [(one.fields["symbol"], one.fields["sequence"], one.fields["side"]) for one in made] == wanted


def test_products_of_the_exchange() -> None:
    """The list comes whole, so what is not in it is not listed."""
    row = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online", "base_increment": "0.00000001"}
    row |= {"quote_increment": "0.01000000", "min_market_funds": "1"}
    made = read(EXCHANGE, "GET /products", [row, row | {"id": "ETH-USD", "base_currency": "ETH", "post_only": True}])
    assert [(one.fields["symbol"], one.fields["trading_status"]) for one in made] == [("BTC-USD", "trading"), ("ETH-USD", "post_only")]
    assert all(one.fields["is_full_listing"] and one.fields["price_scale"] == 2 for one in made)


def test_candles_of_the_exchange() -> None:
    """Numbers are read by their text, never as floats; a candle is closed where a newer one has begun; ten of a reply are taken."""
    rows = ",".join(f"[{1_790_931_600 - 60 * place},0.1,{place + 2}.30000000000000004,1,0.1,1e-7]" for place in range(12))
    made = read(EXCHANGE, "GET /products/BTC-USD/candles?granularity=60", f"[{rows}]".encode())
    assert len(made) == 10
    first, second = made[0].fields, made[1].fields
    assert (first["closed"], second["closed"], first["interval"], first["open_time"]) == (False, True, "1m", NINE)
    assert (first["high"], first["low"], first["volume"]) == (encode("2.30000000000000004"), encode("0.1"), encode("0.0000001"))
    assert (first["volume_unit"], first["base_volume"]) == ("base", encode("0.0000001"))


@pytest.mark.parametrize(
    ("request_text", "document", "reason"),
    [
        ("GET /products/BTC-USD/candles?granularity=61", b"[]", "granularity '61'"),
        ("GET /products/BTC-USD/candles?granularity=60", b"[[60,1,2,1,1,1],[120,1,2,1,1,1]]", "not newest first"),
        ("GET /products/BTC-USD/candles?granularity=60", b"[[60,2,1,1,1,1]]", "highest"),
        ("GET /products/BTC-USD/candles?granularity=60", b"[[60,-2,1,1,1,1]]", "below zero"),
        ("GET /products/BTC-USD/candles?granularity=60", b"[[60,null,1,1,1,1]]", "not a decimal number"),
        ("GET /products/BTC-USD/candles?granularity=60", b"[[60,1]]", "at least length"),
        ("GET /products//trades", b"[]", "nobody knows"),
        ("GET /products/BTC-USD/book?level=3", b'{"bids":[],"asks":[]}', "sequence"),
    ],
)
def test_a_reply_of_the_exchange_that_cannot_be(request_text: str, document: bytes, reason: str) -> None:
    """Whatever is wrong, the reason says what."""
    with pytest.raises(InvalidDatum, match=reason):
        read(EXCHANGE, request_text, document)


def test_every_order_that_rests() -> None:
    """A book of level 3 is each of its orders, of the connection it came on."""
    request = EXCHANGE.snapshot_request(Stream("orders", "BTC-USD"))
    assert request == Request("GET", "/products/BTC-USD/book?level=3")
    assert request is not None
    assert EXCHANGE.snapshot_request(Stream("book", "BTC-USD")) is None
    book = {"sequence": 3, "bids": [["1", "2", "a"]], "asks": [["3", "4", "b"], ["3", "5", "c"]], "time": "2026-10-02T09:00:00Z"}
    made = [one.fields for one in read(EXCHANGE, request.text, book)]
    assert [(one["side"], one["order_id"], one["size"]) for one in made] == [
        ("bid", "a", encode("2")),
        ("ask", "b", encode("4")),
        ("ask", "c", encode("5")),
    ]
    assert {(one["action"], one["snapshot_of"], one["event_time"]) for one in made} == {("snapshot", "coinbase_exchange-1", NINE)}


def test_what_is_polled() -> None:
    """Each venue lists its own; contracts are asked for once more for what they stand at, and the Exchange for candles by symbol."""
    assert [one.request.path for one in COINBASE.polls([Stream("instrument", "")])] == [f"{PRODUCTS}?product_type=SPOT"]
    paths = [one.request.path for one in DERIVATIVES.polls([Stream("instrument", ""), Stream("contract", "")])]
    assert paths == [f"{PRODUCTS}?product_type=FUTURE", STANDING.removeprefix("GET ")]
    polls = EXCHANGE.polls([Stream("instrument", ""), Stream("kline", "BTC-USD")])
    assert [(one.request.path, one.every) for one in polls] == [("/products", 3600), ("/products/BTC-USD/candles?granularity=60", 300)]


def advanced(error: str) -> bytes:
    """Return an error of Advanced Trade."""
    return orjson.dumps({"error": error, "message": "Said so.", "error_details": "Said so."})


@pytest.mark.parametrize(
    ("venue", "status", "body", "again", "limited", "unclear"),
    [
        ("coinbase", 404, advanced("NOT_FOUND"), None, False, False),
        ("coinbase", 400, advanced("INVALID_ARGUMENT"), None, False, False),
        ("coinbase", 403, advanced("PERMISSION_DENIED"), None, False, False),
        ("coinbase", 400, advanced("UNAVAILABLE"), 0, False, False),
        ("coinbase", 400, advanced("unknown"), 0, False, True),
        ("coinbase", 401, advanced("unauthorized"), 0, False, True),
        ("coinbase", 200, advanced("INTERNAL"), 0, False, False),
        ("coinbase", 200, b"[]", 0, False, True),
        ("coinbase", 429, advanced("RESOURCE_EXHAUSTED"), 60, True, False),
        ("coinbase", 503, advanced("INVALID_ARGUMENT"), 0, False, False),
        ("coinbase", 403, b"<html>", 0, False, True),
        ("coinbase_exchange", 404, b'{"message":"NotFound"}', None, False, False),
        ("coinbase_exchange", 400, b'{"message":"Unsupported granularity"}', None, False, False),
        ("coinbase_exchange", 403, b'{"message":"Forbidden"}', 0, False, True),
        ("coinbase_exchange", 404, b"<html>", 0, False, True),
        ("coinbase_exchange", 429, b'{"message":"Public rate limit exceeded"}', 60, True, False),
        ("coinbase_exchange", 500, b'{"message":"Internal server error"}', 0, False, False),
        ("coinbase_exchange", 200, b"<html>", 0, False, False),
    ],
)
def test_refusals(venue: str, status: int, body: bytes, again: float | None, limited: bool, unclear: bool) -> None:
    """What lasts is not asked again, what passes is, and what nobody knows is asked again until it stays so for long."""
    found = all_dialects()[venue].refusal(status, {}, body)
    assert found is not None
    assert (found.again, found.limited, found.unclear) == (again, limited, unclear)


@pytest.mark.parametrize(("venue", "body"), [("coinbase", b'{"products":[]}'), ("coinbase_exchange", b"[]"), ("coinbase_exchange", b"{}")])
def test_an_answer_is_no_refusal(venue: str, body: bytes) -> None:
    """An empty list is an answer too."""
    assert all_dialects()[venue].refusal(200, {}, body) is None
