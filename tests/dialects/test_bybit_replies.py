"""What Bybit answers over REST: instruments in pages, the last trades, the venue's state, and refusals in its own words."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from dialects.bybit.dialect import Bybit, BybitInverse, BybitLinear, BybitSpot
from dialects.bybit.klines import klines_request
from dialects.bybit.replies import trades_request
from dialects.contract import Fields, Refusal, Request
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

SPOT, LINEAR, INVERSE = BybitSpot(), BybitLinear(), BybitInverse()
MARKETS = pytest.mark.parametrize("spoken", [SPOT, LINEAR, INVERSE], ids=lambda one: one.venue)
TIME = 1_790_000_000_123


def reply(result: Any, *, code: int = 0, words: str = "OK") -> bytes:
    """Return a reply's body."""
    return orjson.dumps({"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": TIME})


def read(spoken: Bybit, request: str, body: bytes, memory: Memory | None = None) -> list[Fields]:
    """Return the events' own fields of a reply."""
    return [made.fields for made in spoken.read(frame(spoken.venue, body, request), Memory() if memory is None else memory)]


def listing(spoken: Bybit) -> Request:
    """Return the request for the first page of instruments."""
    (poll,) = spoken.polls([Stream("instrument", "")])
    return poll.request


def contract(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    """Return one contract of the list, in the documented form."""
    return {
        "symbol": symbol,
        "symbolId": 5,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "postOnlyMaxOrderQty": "1190.000",
            "maxMktOrderQty": "500.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00376",
        "isPreListing": False,
        "preListingInfo": None,
        "symbolType": "",
    } | changes


def pair(**changes: Any) -> dict[str, Any]:
    """Return one pair of spot's list, in the documented form."""
    return {
        "symbolId": 9,
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.0000001",
            "minOrderQty": "0.000011",
            "maxOrderQty": "83",
            "minOrderAmt": "5",
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": "84.5",
            "maxMarketOrderQty": "41.5",
        },
        "priceFilter": {"tickSize": "0.1"},
        "symbolType": "xstocks",
    } | changes


def test_a_perpetual_with_all_that_the_venue_says() -> None:
    """A linear perpetual: sizes in base, a contract of one; the interval in seconds, both bounds of its rate."""
    (made,) = read(LINEAR, listing(LINEAR).text, reply({"category": "linear", "list": [contract()], "nextPageCursor": ""}))
    assert made == {
        "event_time": TIME * 1000,
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "underlying": None,
        "price_scale": 2,
        "size_scale": 3,
        "status": "Trading",
        "trading_status": "trading",
        "canonical_name": "BTC-USDT-PERP",
        "kind": "perpetual",
        "margin_type": "linear",
        "contract_size": encode("1"),
        "contract_size_unit": "base",
        "tick_size": encode("0.1"),
        "lot_size": encode("0.001"),
        "min_size": encode("0.001"),
        "max_size": encode("1190"),
        "min_notional": encode("5"),
        "expiry_time": None,
        "list_time": 1_585_526_400_000_000,
        "delist_time": None,
        "funding_interval_s": 28_800,
        "funding_rate_cap": encode("0.00375"),
        "funding_rate_floor": encode("-0.00376"),
        "asset_class": "crypto",
        "is_full_listing": True,
    }


def test_a_pair_of_spot() -> None:
    """A pair counts no contracts, is settled in its quote currency, and has no price scale but its tick's."""
    (made,) = read(SPOT, listing(SPOT).text, reply({"category": "spot", "list": [pair()]}))
    assert (made["kind"], made["margin_type"], made["settle"], made["canonical_name"]) == ("spot", "none", "USDT", "BTC-USDT")
    assert (made["contract_size"], made["contract_size_unit"]) == (None, "unknown")
    assert (made["tick_size"], made["lot_size"], made["price_scale"], made["size_scale"]) == (encode("0.1"), encode("0.000001"), 1, 6)
    assert (made["min_size"], made["max_size"], made["min_notional"]) == (encode("0.000011"), encode("84.5"), encode("5"))
    assert (made["list_time"], made["funding_interval_s"], made["funding_rate_cap"]) == (None, None, None)
    assert (made["asset_class"], made["is_full_listing"]) == ("equity", True)


def test_a_future_of_inverse() -> None:
    """A future expires at its delivery and has no funding; a contract of inverse is one unit of quote currency."""
    future = {
        "contractType": "InverseFutures",
        "quoteCoin": "USD",
        "settleCoin": "BTC",
        "deliveryTime": "1798185600000",
        "fundingInterval": 0,
    }
    one = contract("BTCUSDZ26", **future, upperFundingRate="", lowerFundingRate="")
    (made,) = read(INVERSE, listing(INVERSE).text, reply({"list": [one], "nextPageCursor": ""}))
    assert (made["kind"], made["margin_type"], made["settle"]) == ("future", "inverse", "BTC")
    assert (made["canonical_name"], made["expiry_time"]) == ("BTC-USD-20261225", 1_798_185_600_000_000)
    assert (made["delist_time"], made["funding_interval_s"], made["funding_rate_cap"]) == (None, None, None)
    assert (made["contract_size"], made["contract_size_unit"]) == (encode("1"), "quote")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"deliveryTime": "1793491200000"}, "delist_time", 1_793_491_200_000_000),
        ({"deliveryTime": "1793491200000"}, "expiry_time", None),
        ({"status": "Delivering"}, "trading_status", "settling"),
        ({"status": "Closed"}, "trading_status", "delisted"),
        ({"status": "Closed", "contractType": "LinearFutures"}, "trading_status", "delivered"),
        ({"status": "Paused"}, "trading_status", "unknown"),
        ({"status": "Paused"}, "status", "Paused"),
        ({"status": "PreLaunch"}, "trading_status", "pre_open"),
        ({"status": "PreLaunch", "preListingInfo": {"curAuctionPhase": "CallAuction"}}, "trading_status", "auction"),
        ({"status": "PreLaunch", "preListingInfo": {"curAuctionPhase": "ContinuousTrading"}}, "trading_status", "trading"),
        ({"contractType": "LinearSwap"}, "kind", "unknown"),
        ({"contractType": "LinearSwap"}, "canonical_name", None),
        ({"symbolType": "innovation"}, "asset_class", "crypto"),
        ({"symbolType": "tulips"}, "asset_class", "unknown"),
        ({"underlyingTicker": "SMPL"}, "underlying", "SMPL"),
        ({"priceScale": ""}, "price_scale", 2),
        ({"priceScale": None}, "price_scale", 2),
        ({"upperFundingRate": None}, "funding_rate_cap", None),
        ({"launchTime": None}, "list_time", None),
        ({"symbolType": None}, "asset_class", "unknown"),
        ({"settleCoin": ""}, "settle", None),
    ],
)
def test_what_an_instrument_may_say(changes: dict[str, Any], field: str, value: Any) -> None:
    """Statuses and kinds in common words, unknown where the venue's page does not name them, beside the venue's own."""
    (made,) = read(LINEAR, listing(LINEAR).text, reply({"list": [contract(**changes)], "nextPageCursor": ""}))
    assert made[field] == value


def test_pages_are_followed_to_the_last() -> None:
    """Each page names the next by a cursor that is escaped already; the last has none, and no page of many is a full listing."""
    first = listing(LINEAR)
    body = reply({"list": [contract()], "nextPageCursor": "first%3DBTCUSDT%26last%3DXYZ"})
    second = LINEAR.next_page(first, body)
    assert second is not None
    assert second.path == "/v5/market/instruments-info?category=linear&limit=1000&cursor=first%3DBTCUSDT%26last%3DXYZ"
    third = LINEAR.next_page(second, reply({"list": [contract("A")], "nextPageCursor": "third"}))
    assert third is not None
    assert third.path == "/v5/market/instruments-info?category=linear&limit=1000&cursor=third"
    last = reply({"list": [contract("B")], "nextPageCursor": ""})
    assert LINEAR.next_page(third, last) is None
    assert [made["is_full_listing"] for made in read(LINEAR, first.text, body) + read(LINEAR, third.text, last)] == [False, False]


def test_paging_ends() -> None:
    """A cursor that leads to itself, one after an empty page, one in something else's reply, and no cursor at all end the paging."""
    request = listing(LINEAR)
    assert LINEAR.next_page(request, reply({"list": [], "nextPageCursor": "more"})) is None
    again = LINEAR.next_page(request, reply({"list": [contract()], "nextPageCursor": "x y&z"}))
    assert again is not None
    assert again.path.endswith("&cursor=x%20y%26z")
    assert LINEAR.next_page(again, reply({"list": [contract()], "nextPageCursor": "x y&z"})) is None
    assert LINEAR.next_page(Request("GET", "/v5/system/status"), reply({"list": [contract()], "nextPageCursor": "x"})) is None
    assert SPOT.next_page(listing(SPOT), reply({"list": [pair()]})) is None
    assert "limit" not in listing(SPOT).path


@MARKETS
@given(body=st.binary() | st.recursive(st.none() | st.text(), lambda one: st.dictionaries(st.text(), one)).map(reply))
def test_no_bytes_break_paging_refusals_or_reading(spoken: Bybit, body: bytes) -> None:
    """Whatever a reply holds, the next page and the refusal are looked for without raising, and reading refuses it or makes events."""
    assert spoken.next_page(listing(spoken), body) is None
    for status in (200, 403, 429, 500):
        spoken.refusal(status, {}, body)
    asked = (trades_request(spoken.market, "BTCUSDT"), klines_request(spoken.market, "BTCUSDT"), Request("GET", "/v5/system/status"))
    for request in (listing(spoken), *asked):
        with pytest.raises(InvalidDatum):
            read(spoken, request.text, body)


@pytest.mark.parametrize(("spoken", "limit"), [(SPOT, 60), (LINEAR, 1000), (INVERSE, 1000)], ids=["spot", "linear", "inverse"])
def test_last_trades_are_the_sockets(spoken: Bybit, limit: int) -> None:
    """A trade that REST lists is the event that the socket's message makes of it, in the market's unit."""
    request = trades_request(spoken.market, "BTCUSDT")
    assert request.path == f"/v5/market/recent-trade?category={spoken.market.category}&symbol=BTCUSDT&limit={limit}"
    listed = {"execId": "x-1", "symbol": "BTCUSDT", "price": "3.00", "size": "100", "side": "Sell", "time": str(TIME)}
    pushed = {"T": TIME, "s": "BTCUSDT", "S": "Sell", "v": "100", "p": "3.00", "i": "x-1", "BT": False, "RPI": True}
    made = read(spoken, request.text, reply({"category": "", "list": [listed | {"isBlockTrade": False, "isRPITrade": True, "seq": "5"}]}))
    message = orjson.dumps({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": TIME, "data": [pushed]})
    assert made == [one.fields for one in spoken.read(frame(spoken.venue, message), Memory())]


def notice(**changes: Any) -> dict[str, Any]:
    """Return one entry of the venue's state, in the documented form."""
    return {
        "id": "4d95b2a0",
        "title": "t06",
        "state": "completed",
        "begin": "1751596902000",
        "end": "1751597011000",
        "href": "",
        "serviceTypes": [2, 3],
        "product": [1, 2],
        "uidSuffix": [],
        "maintainType": 1,
        "env": 1,
    } | changes


@MARKETS
def test_the_venues_state(spoken: Bybit) -> None:
    """Maintenance and incidents with what they concern; the demo environment's are not this venue's."""
    rows = [
        notice(),
        notice(id="b", state="canceled", product=[], maintainType="3", href="https://status.example/b", title=""),
        notice(id="c", state="lost", maintainType=9, product=[4, 7]),
        notice(id="d", env=2),
    ]
    first, second, third = read(spoken, "GET /v5/system/status", reply({"list": rows}))
    assert first == {
        "event_time": TIME * 1000,
        "symbol": "",
        "scope": "product",
        "products": ["Futures", "Spot"],
        "state": "completed",
        "begins_at": 1_751_596_902_000_000,
        "ends_at": 1_751_597_011_000_000,
        "kind": "planned",
        "title": "t06",
        "url": None,
        "venue_id": "4d95b2a0",
    }
    assert (second["scope"], second["state"], second["kind"]) == ("venue", "cancelled", "incident")
    assert (second["title"], second["url"]) == (None, "https://status.example/b")
    assert (third["state"], third["kind"], third["products"]) == ("unknown", "unknown", ["Spread", "7"])


def test_a_state_is_told_once_until_it_changes() -> None:
    """The list is asked for each minute: what it says again is not told again, what changed is, and what left it is forgotten."""
    memory = Memory()
    request = "GET /v5/system/status"
    assert len(read(SPOT, request, reply({"list": [notice(state="ongoing"), notice(id="b")]}), memory)) == 2
    assert read(SPOT, request, reply({"list": [notice(state="ongoing"), notice(id="b")]}), memory) == []
    (made,) = read(SPOT, request, reply({"list": [notice(), notice(id="b")]}), memory)
    assert (made["venue_id"], made["state"]) == ("4d95b2a0", "completed")
    assert read(SPOT, request, reply({"list": []}), memory) == []
    assert not memory


@MARKETS
def test_what_is_polled(spoken: Bybit) -> None:
    """Instruments and the venue's state are asked for once for the venue, klines for each symbol, each on its own."""
    streams = [Stream("instrument", ""), Stream("venue_status", ""), Stream("kline", "A"), Stream("kline", "B")]
    polls = spoken.polls(streams)
    assert [(poll.streams, poll.request.path.partition("?")[0]) for poll in polls] == [
        ((streams[0],), "/v5/market/instruments-info"),
        ((streams[1],), "/v5/system/status"),
        ((streams[2],), "/v5/market/kline"),
        ((streams[3],), "/v5/market/kline"),
    ]
    assert all(poll.every == spoken.channels[poll.streams[0].channel].every > 0 for poll in polls)
    assert spoken.polls([]) == []


@MARKETS
@pytest.mark.parametrize(
    ("status", "headers", "body", "refusal"),
    [
        (200, {}, reply({}), None),
        (403, {}, b"access too frequent", Refusal("access too frequent, or not from here (status 403): access too frequent", 600.0, True)),
        (200, {}, reply({}, code=10006, words="Too many visits!"), Refusal("Too many visits! (retCode 10006)", 60.0, True)),
        (200, {}, reply({}, code=10018, words="IP"), Refusal("IP (retCode 10018)", 60.0, True)),
        (
            200,
            {"x-bapi-LIMIT-reset-timestamp": str(TIME + 2500)},
            reply({}, code=10006, words="Too many visits!"),
            Refusal("Too many visits! (retCode 10006)", 2.5, True),
        ),
        (200, {"X-Bapi-Limit-Reset-Timestamp": str(TIME)}, reply({}, code=10006), Refusal("OK (retCode 10006)", 60.0, True)),
        (200, {"X-Bapi-Limit-Reset-Timestamp": "9" * 18}, reply({}, code=10006), Refusal("OK (retCode 10006)", 60.0, True)),
        (200, {"X-Bapi-Limit-Reset-Timestamp": "soon"}, reply({}, code=10006), Refusal("OK (retCode 10006)", 60.0, True)),
        (200, {}, reply({}, code=10009, words="banned"), Refusal("banned (retCode 10009)", 600.0, True)),
        (200, {}, reply({}, code=10016, words="Internal System Error."), Refusal("Internal System Error. (retCode 10016)", 0.0)),
        (200, {}, reply({}, code=10002, words="window"), Refusal("window (retCode 10002)", 0.0)),
        (200, {}, reply({}, code=10429, words="busy"), Refusal("busy (retCode 10429)", 1.0)),
        (200, {}, reply({}, code=10001, words="symbol invalid"), Refusal("symbol invalid (retCode 10001)")),
        (404, {}, b"nowhere", Refusal("status 404: nowhere", 0, unclear=True)),
        (502, {}, b"bad gateway", Refusal("status 502: bad gateway", 0)),
        (429, CIMultiDict({"retry-after": "7"}), b"", Refusal("too many requests (status 429); it asks for 7 s", 7.0, True)),
    ],
)
def test_refusals(spoken: Bybit, status: int, headers: dict[str, str], body: bytes, refusal: Refusal | None) -> None:
    """Limits name the seconds until the venue's own instant, by its own clock; an error of its own passes, a wrong request never does."""
    assert spoken.refusal(status, headers, body) == refusal


@MARKETS
@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v5/market/mark-price-kline?category={}&symbol=BTCUSDT&interval=1", reply({"list": []}), "which nobody knows how to read"),
        ("/v5/market/recent-trade?category=option&symbol=X", reply({"list": []}), "which is not of"),
        ("/v5/market/recent-trade?symbol=X", reply({"list": []}), "which is not of"),
        (
            "/v5/market/recent-trade?category={}&symbol=X",
            reply({}, code=10001, words="symbol invalid"),
            "symbol invalid \\(retCode 10001\\)",
        ),
        ("/v5/market/recent-trade?category={}&symbol=X", reply({"list": [{"execId": "x"}]}), "missing required field"),
        ("/v5/market/instruments-info?category={}", reply({"list": [pair(priceFilter={"tickSize": "thin"})]}), "not a decimal number"),
        ("/v5/market/instruments-info?category={}", reply({"list": [pair(launchTime="then")]}), "not a time in milliseconds"),
        ("/v5/system/status", reply(None), "Expected `object`"),
        ("/v5/system/status", b'{"retCode":0}', "missing required field"),
        ("", b"{}", "which nobody knows how to read"),
        ("http://[::1/v5/system/status", b"{}", "Invalid IPv6 URL"),
    ],
)
def test_replies_that_are_refused(spoken: Bybit, path: str, body: bytes, reason: str) -> None:
    """A reply that is none of ours, of another market, an error in disguise or with a value that cannot be is refused with the reason."""
    with pytest.raises(InvalidDatum, match=reason):
        read(spoken, f"GET {path.format(spoken.market.category)}", body)
