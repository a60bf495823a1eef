"""One instrument of many that cannot be read costs no other, at every venue that lists them."""

from typing import Any

import msgspec
import orjson
import pytest

from dialects.catalogue import all_dialects
from dialects.contract import DecodedEvent, PartlyInvalid
from dialects.listings import NAMELESS, NAMES, named
from dialects.memory import Memory
from schemas.decimals import encode
from tests.dialects.recorded import frame

TIME = 1_790_000_000_000


def kraken(symbol: str, price_precision: int = 1, **other: Any) -> dict[str, Any]:
    """Return a pair of Kraken."""
    base, _, quote = symbol.partition("/")
    named = {"symbol": symbol, "base": base, "quote": quote, "status": "online"}
    return named | {"qty_precision": 8, "price_precision": price_precision} | other


def kraken_frame(*pairs: Any) -> bytes:
    """Return the instrument channel's snapshot."""
    return orjson.dumps({"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}})


def refusal(venue: str, payload: bytes, request: str | None, memory: Memory) -> tuple[list[DecodedEvent], str]:
    """Return the events of a frame of which some is refused, and the reason."""
    with pytest.raises(PartlyInvalid) as refused:
        all_dialects()[venue].read(frame(venue, payload, request), memory)
    return list(refused.value.events), str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (kraken("X/USD", qty_precision=19), "X/USD: Expected `int` <= 18 - at `$.qty_precision`"),
        (kraken("X/USD", price_increment=[]), "X/USD: [] is not a number"),
        ({"symbol": "X/USD"}, "X/USD: Object missing required field `price_precision`"),
        (7, "an instrument without a symbol: Expected `object`, got `int`"),
    ],
)
def test_a_pair_of_kraken_that_cannot_be_is_refused_alone(wrong: Any, reason: str) -> None:
    """The others are instruments, and their scales are known to the books of the connection."""
    memory = Memory()
    made, said = refusal("kraken", kraken_frame(kraken("BTC/USD"), wrong, kraken("ETH/USD", 2)), None, memory)
    assert [(name, one["symbol"], one["price_scale"]) for name, one in made] == [("instrument", "BTC/USD", 1), ("instrument", "ETH/USD", 2)]
    assert {symbol: memory["scales"][symbol] for symbol in ("BTC/USD", "ETH/USD")} == {"BTC/USD": [1, 8], "ETH/USD": [2, 8]}
    assert "scales" in memory.changed
    assert said == f"kraken: {reason}"


def test_of_many_that_cannot_be_some_are_named() -> None:
    """A reason stays short: it names five and says how many there are besides."""
    made, said = refusal("kraken", kraken_frame(*(kraken(f"X{n}/USD", 19) for n in range(9))), None, Memory())
    assert made == []
    assert (said.count("Expected"), said[-12:]) == (5, "; and 4 more")


def test_a_symbol_of_binance_that_cannot_be_is_refused_alone() -> None:
    """The others of a reply are instruments."""
    sound = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}
    wrong = sound | {"symbol": "XUSDT", "filters": [{"filterType": "PRICE_FILTER", "tickSize": "thin"}]}
    body = orjson.dumps({"symbols": [wrong, sound]})
    made, said = refusal("binance", body, "GET /api/v3/exchangeInfo?symbols=%5B%5D", Memory())
    assert [one["symbol"] for _, one in made] == ["BTCUSDT"]
    assert said == "binance: XUSDT: 'thin' is not a decimal number"


@pytest.mark.parametrize("market", ["spot", "linear", "inverse"])
def test_an_instrument_of_bybit_that_cannot_be_is_refused_alone(market: str) -> None:
    """The others of a reply are instruments, and a list that lacks one is not complete."""
    venue = f"bybit_{market}"
    sound = {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {},
    }
    wrong = sound | {"symbol": "X", "priceFilter": {"tickSize": "1e-19"}}
    request = f"GET /v5/market/instruments-info?category={market}"

    def body(*listed: Any) -> bytes:
        return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": listed}, "time": TIME})

    made, said = refusal(venue, body(sound, wrong), request, Memory())
    assert [(one["symbol"], one["tick_size"], one["is_full_listing"]) for _, one in made] == [("BTCUSDT", encode("0.1"), False)]
    assert said == f"{venue}: X: '1e-19' has more than 18 decimals"
    (whole,) = all_dialects()[venue].read(frame(venue, body(sound), request), Memory())
    assert whole.fields["is_full_listing"] is True


COIN = {"name": "BTC", "szDecimals": 5}
PRODUCT = {"product_id": "X-USD", "product_type": "SPOT", "price_increment": "thin"}
PAIR = {"id": "X-USD", "base_currency": "X", "quote_currency": "USD", "status": "online", "quote_increment": "thin"}
SPOT_META = {"tokens": [], "universe": [{"name": "PURR/USDC", "tokens": [1, 0]}]}
LISTS = [
    ("binance_usdm", "GET /fapi/v1/exchangeInfo", {"symbols": [{"symbol": "XUSDT"}]}, "XUSDT"),
    ("okx", "GET /api/v5/public/instruments?instType=SPOT", {"code": "0", "data": [{"instId": "X-USDT", "state": 7}]}, "X-USDT"),
    ("hyperliquid", 'POST /info {"type":"allPerpMetas"}', [{"universe": [COIN | {"szDecimals": 99}]}], "BTC"),
    ("hyperliquid", 'POST /info {"type":"spotMeta"}', SPOT_META, "PURR/USDC"),
    ("coinbase", "GET /api/v3/brokerage/market/products?product_type=SPOT", {"products": [PRODUCT]}, "X-USD"),
    (
        "coinbase_derivatives",
        "GET /api/v3/brokerage/market/products?product_type=FUTURE&expiring_contract_status=STATUS_UNEXPIRED",
        {"products": [PRODUCT | {"product_id": "X-CDE", "future_product_details": {"open_interest": "much"}}]},
        "X-CDE",
    ),
    ("coinbase_exchange", "GET /products", [PAIR], "X-USD"),
    ("coinbase_exchange", None, {"type": "status", "products": [PAIR]}, "X-USD"),
]


@pytest.mark.parametrize(("venue", "request_text", "body", "name"), LISTS, ids=[f"{one[0]} {one[3]}" for one in LISTS])
def test_a_reason_names_the_instrument_as_its_venue_does(venue: str, request_text: str | None, body: Any, name: str) -> None:
    """Whatever a venue calls the name of an instrument, what is refused of its list can be found by it."""
    made, said = refusal(venue, orjson.dumps(body), request_text, Memory())
    assert made == []
    assert f"{name}: " in said
    assert NAMELESS not in said
    namable = next(field for field in NAMES if f'"{field}":"{name}"'.encode() in orjson.dumps(body))
    for wrong in (orjson.dumps(7), orjson.dumps({namable: 7}), orjson.dumps({namable: ""}), b"["):
        assert named(msgspec.Raw(wrong)) == NAMELESS
