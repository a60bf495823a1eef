"""What Hyperliquid lists: perpetuals of every DEX, pairs of spot, and the steps of their prices and sizes."""

from typing import Any

import orjson
import pytest

from dialects.contract import Fields, PartlyInvalid
from dialects.hyperliquid.dialect import Hyperliquid
from dialects.memory import Memory
from schemas.decimals import encode, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

SPOKEN = Hyperliquid()
PAIRS = SPOKEN.listing_request()
TOKENS = [
    {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
    {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
    {"name": "USDE", "szDecimals": 2, "weiDecimals": 8, "index": 235},
]


def read(kind: str, body: Any, memory: Memory) -> list[Fields]:
    """Return the fields of a list's instruments."""
    made = list(SPOKEN.read(frame("hyperliquid", orjson.dumps(body), f'POST /info {{"type":"{kind}"}}'), memory))
    assert {one.event for one in made} <= {"instrument"}
    return [one.fields for one in made]


def perpetuals(*metas: Any, memory: Memory | None = None) -> list[Fields]:
    """Return what is read of universes."""
    return read("allPerpMetas", list(metas), Memory() if memory is None else memory)


def pairs(*universe: Any, memory: Memory | None = None) -> list[Fields]:
    """Return what is read of pairs of the tokens above."""
    return read("spotMeta", {"tokens": TOKENS, "universe": list(universe)}, Memory() if memory is None else memory)


def meta(*coins: Any, collateral: int = 0) -> dict[str, Any]:
    """Return one DEX."""
    return {"universe": list(coins), "marginTables": [], "collateralToken": collateral}


def coin(name: str, decimals: int = 5, **more: Any) -> dict[str, Any]:
    """Return one entry of a universe."""
    return {"name": name, "szDecimals": decimals, "maxLeverage": 40} | more


def test_a_perpetual_with_all_that_the_venue_says() -> None:
    """Linear, of one coin, funded every hour, settled in USDC, and called by the dollar that the venue's pages call it by."""
    (made,) = perpetuals(meta(coin("BTC")))
    assert made == {
        "symbol": "BTC",
        "event_time": None,
        "base": "BTC",
        "quote": "USD",
        "settle": "USDC",
        "price_scale": 1,
        "size_scale": 5,
        "trading_status": "trading",
        "canonical_name": "BTC-USD-PERP",
        "kind": "perpetual",
        "margin_type": "linear",
        "contract_size": encode("1"),
        "contract_size_unit": "base",
        "tick_size": encode("0.1"),
        "tick_band_prices": [encode("10000")],
        "tick_band_sizes": [encode("1")],
        "lot_size": encode("0.00001"),
        "funding_interval_s": 3600,
        "asset_class": "crypto",
    }


def test_a_pair_with_all_that_the_venue_says() -> None:
    """Called by its index, named by its tokens; the list has no word on whether it trades."""
    (made,) = pairs({"name": "@150", "tokens": [235, 0], "index": 150, "isCanonical": False})
    assert made == {
        "symbol": "@150",
        "event_time": None,
        "base": "USDE",
        "quote": "USDC",
        "settle": "USDC",
        "price_scale": 6,
        "size_scale": 2,
        "trading_status": "unknown",
        "canonical_name": "USDE-USDC",
        "kind": "spot",
        "margin_type": "none",
        "tick_size": encode("0.000001"),
        "tick_band_prices": [encode(text) for text in ("0.1", "1", "10", "100", "1000", "10000")],
        "tick_band_sizes": [encode(text) for text in ("0.00001", "0.0001", "0.001", "0.01", "0.1", "1")],
        "lot_size": encode("0.01"),
        "asset_class": "crypto",
    }


def test_coins_of_other_dexes_and_thousands() -> None:
    """The base is what follows the DEX, whose assets may be of any class; `k` is a thousand of a coin, which is another coin."""
    made = perpetuals(meta(coin("kPEPE")), meta(coin("xyz:SP500"), coin("xyz:GOLD", isDelisted=True)))
    assert [(one["symbol"], one["base"], one["canonical_name"], one["asset_class"], one["trading_status"]) for one in made] == [
        ("kPEPE", "kPEPE", "KPEPE-USD-PERP", "crypto", "trading"),
        ("xyz:SP500", "SP500", "SP500-USD-PERP", "unknown", "trading"),
        ("xyz:GOLD", "GOLD", "GOLD-USD-PERP", "unknown", "delisted"),
    ]


def test_collateral_is_called_by_the_list_of_tokens_before_it() -> None:
    """Pairs are asked for first; without them only USDC is known, by its index 0, and nothing is made up."""
    memory = Memory()
    assert [one["settle"] for one in perpetuals(meta(coin("A")), meta(coin("hyna:B"), collateral=235), memory=memory)] == ["USDC", None]
    pairs(memory=memory)
    assert [one["settle"] for one in perpetuals(meta(coin("A")), meta(coin("hyna:B"), collateral=235), memory=memory)] == ["USDC", "USDE"]


def test_the_list_of_all_is_two_requests() -> None:
    """Pairs, then perpetuals, and nothing after them; neither is a full list by itself."""
    following = SPOKEN.next_page(PAIRS, b"{}")
    assert following is not None
    assert (PAIRS.text, following.text) == ('POST /info {"type":"spotMeta"}', 'POST /info {"type":"allPerpMetas"}')
    assert SPOKEN.next_page(following, b"[]") is None
    assert not any(one.get("is_full_listing") for one in [*perpetuals(meta(coin("A"))), *pairs()])


@pytest.mark.parametrize(
    ("spot", "decimals", "price", "valid"),
    [
        (False, 0, "1234.5", True),
        (False, 0, "1234.56", False),
        (False, 0, "0.001234", True),
        (False, 0, "0.0012345", False),
        (False, 1, "0.01234", True),
        (False, 1, "0.012345", False),
        (False, 5, "123456", True),
        (False, 5, "12345.6", False),
        (True, 0, "0.0001234", True),
        (True, 1, "0.0001234", True),
        (True, 3, "0.0001234", False),
    ],
)
def test_the_examples_of_the_page(*, spot: bool, decimals: int, price: str, valid: bool) -> None:
    """Each price that …/tick-and-lot-size calls valid is a multiple of the tick at that price, and no other is."""
    if spot:
        memory = Memory()
        tokens = [{"name": "A", "szDecimals": decimals, "index": 1}, {"name": "USDC", "szDecimals": 8, "index": 0}]
        (made,) = read("spotMeta", {"tokens": tokens, "universe": [{"name": "@1", "tokens": [1, 0]}]}, memory)
    else:
        (made,) = perpetuals(meta(coin("A", decimals)))
    tick = int.from_bytes(made["tick_size"], "big")
    for above, size in zip(made["tick_band_prices"], made["tick_band_sizes"], strict=True):
        tick = int.from_bytes(size, "big") if unscaled(price) > int.from_bytes(above, "big") else tick
    assert (unscaled(price) % tick == 0) is valid


@pytest.mark.parametrize(
    "wrong", [{"name": "X"}, {"szDecimals": 3}, coin("X", 19), coin("X", -1), coin("xyz:"), {"name": 7, "szDecimals": 1}, None]
)
def test_one_perpetual_that_cannot_be_read_costs_no_other(wrong: Any) -> None:
    """The others are told, with the collateral of their own DEX."""
    with pytest.raises(PartlyInvalid) as refused:
        perpetuals(meta(coin("A"), wrong), meta(coin("d:B"), collateral=9))
    assert [(one.fields["symbol"], one.fields["settle"]) for one in refused.value.events] == [("A", "USDC"), ("d:B", None)]


@pytest.mark.parametrize("wrong", [{"name": "@1", "tokens": [77, 0]}, {"name": "@1", "tokens": [1]}, {"tokens": [1, 0]}, []])
def test_one_pair_that_cannot_be_read_costs_no_other(wrong: Any) -> None:
    """A token that is not in the list names nothing."""
    with pytest.raises(PartlyInvalid) as refused:
        pairs(wrong, {"name": "PURR/USDC", "tokens": [1, 0]})
    assert [one.fields["canonical_name"] for one in refused.value.events] == ["PURR-USDC"]


@pytest.mark.parametrize(
    ("kind", "body"), [("allPerpMetas", {"universe": []}), ("allPerpMetas", [{}]), ("spotMeta", {"universe": []}), ("spotMeta", [])]
)
def test_a_list_that_is_none_is_refused(kind: str, body: Any) -> None:
    """What a whole list cannot be without."""
    with pytest.raises(InvalidDatum):
        read(kind, body, Memory())
