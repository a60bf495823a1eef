"""Instruments of Binance's futures: what a list says of a contract, and what another says of its funding."""

from typing import Any

import orjson
import pytest

from dialects.binance_futures.dialect import BinanceCoinm, BinanceFutures, BinanceUsdm
from dialects.contract import Fields, PartlyInvalid
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

USDM, COINM = BinanceUsdm(), BinanceCoinm()
TIME = 1_790_000_000_123


def read(spoken: BinanceFutures, request: str, body: Any, memory: Memory | None = None) -> list[Fields]:
    """Return the events' own fields of a reply."""
    payload = orjson.dumps(body)
    return [made.fields for made in spoken.read(frame(spoken.venue, payload, request), Memory() if memory is None else memory)]


def contract(**changes: Any) -> dict[str, Any]:
    """Return one contract of USD-M's list, in the documented form."""
    return {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "4529764", "minPrice": "556.80", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": "0.001", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    } | changes


def coin_contract(**changes: Any) -> dict[str, Any]:
    """Return one contract of COIN-M's list."""
    own = contract(symbol="BTCUSD_PERP", pair="BTCUSD", quoteAsset="USD", marginAsset="BTC", contractStatus="TRADING", contractSize=100)
    del own["status"]
    return own | changes


def listed(spoken: BinanceFutures, *contracts: dict[str, Any], memory: Memory | None = None) -> list[Fields]:
    """Return the instruments of a list."""
    return read(spoken, spoken.listing_request().text, {"serverTime": TIME, "symbols": contracts}, memory)


def funding_info(spoken: BinanceFutures, memory: Memory, *rows: dict[str, Any]) -> None:
    """Let a connection hear what funding is."""
    assert read(spoken, f"GET {spoken.market.api}/fundingInfo", rows, memory) == []


ADJUSTED = {"symbol": "BTCUSDT", "adjustedFundingRateCap": "0.02", "adjustedFundingRateFloor": "-0.03", "fundingIntervalHours": 4}


def test_a_perpetual_with_all_that_the_venue_says() -> None:
    """Tick and lot by their filters, a contract of one, no expiry; its funding by the list that came before."""
    memory = Memory()
    funding_info(USDM, memory, ADJUSTED)
    (made,) = listed(USDM, contract(), memory=memory)
    assert made == {
        "event_time": TIME * 1000,
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "underlying": "BTCUSDT",
        "price_scale": 1,
        "size_scale": 3,
        "status": "TRADING",
        "trading_status": "trading",
        "canonical_name": "BTC-USDT-PERP",
        "kind": "perpetual",
        "margin_type": "linear",
        "contract_size": encode("1"),
        "contract_size_unit": "base",
        "tick_size": encode("0.1"),
        "lot_size": encode("0.001"),
        "min_size": encode("0.001"),
        "max_size": encode("1000"),
        "min_notional": encode("100"),
        "expiry_time": None,
        "list_time": 1_569_398_400_000_000,
        "delist_time": None,
        "asset_class": "crypto",
        "is_full_listing": True,
        "funding_interval_s": 4 * 3600,
        "funding_rate_cap": encode("0.02"),
        "funding_rate_floor": encode("-0.03"),
    }


def test_funding_is_by_the_last_list() -> None:
    """Nothing is known before it was heard; what is not in it has eight hours and no limit; what has left it has those again."""
    memory = Memory()
    names = ("funding_interval_s", "funding_rate_cap")
    assert [listed(USDM, contract(), memory=memory)[0][name] for name in names] == [None, None]
    funding_info(USDM, memory)
    assert [listed(USDM, contract(), memory=memory)[0][name] for name in names] == [8 * 3600, None]
    funding_info(USDM, memory, ADJUSTED)
    assert listed(USDM, contract(), memory=memory)[0]["funding_interval_s"] == 4 * 3600
    funding_info(USDM, memory, ADJUSTED | {"symbol": "ETHUSDT"})
    assert [listed(USDM, contract(), memory=memory)[0][name] for name in names] == [8 * 3600, None]
    with pytest.raises(InvalidDatum):
        read(USDM, "GET /fapi/v1/fundingInfo", [ADJUSTED | {"fundingIntervalHours": 0}], memory)
    assert read(COINM, "GET /dapi/v1/fundingInfo", None) == []


@pytest.mark.parametrize(
    ("changes", "kind", "name", "status", "expiry", "delisted"),
    [
        ({}, "perpetual", "BTC-USD-PERP", "trading", None, None),
        (
            {"symbol": "BTCUSD_261225", "contractType": "CURRENT_QUARTER", "deliveryDate": 1_798_185_600_000},
            "future",
            "BTC-USD-20261225",
            "trading",
            1_798_185_600_000_000,
            None,
        ),
        (
            {"contractType": "PERPETUAL DELIVERING", "contractStatus": "DELIVERING", "deliveryDate": 1_790_323_200_000},
            "perpetual",
            "BTC-USD-PERP",
            "settling",
            None,
            1_790_323_200_000_000,
        ),
        ({"contractType": "HALF_CENTURY", "contractStatus": "ASLEEP"}, "unknown", None, "unknown", None, None),
    ],
)
def test_contracts_of_coinm(changes: Any, kind: str, name: str | None, status: str, expiry: int | None, delisted: int | None) -> None:
    """Inverse, of a hundred dollars; a future expires when it is delivered, a perpetual is taken off then."""
    (made,) = listed(COINM, coin_contract(**changes))
    assert (made["kind"], made["canonical_name"], made["trading_status"]) == (kind, name, status)
    assert (made["expiry_time"], made["delist_time"]) == (expiry, delisted)
    assert (made["margin_type"], made["contract_size"], made["contract_size_unit"]) == ("inverse", encode("100"), "quote")


def test_what_is_no_coin_and_what_is_settled_in_another() -> None:
    """A share's perpetual is one of equity; margin in a third currency is quanto."""
    share, other = listed(
        USDM,
        contract(contractType="TRADIFI_PERPETUAL", underlyingType="EQUITY"),
        contract(marginAsset="BNB", underlyingType="INDEX"),
    )
    assert (share["kind"], share["asset_class"]) == ("perpetual", "equity")
    assert (other["margin_type"], other["asset_class"]) == ("quanto", "unknown")


def test_one_contract_that_cannot_be_read_costs_no_other() -> None:
    """It is named with its reason, the others are events, and the list is not whole."""
    with pytest.raises(PartlyInvalid, match="ETHUSDT: it has no status") as refused:
        listed(USDM, contract(), contract(symbol="ETHUSDT", status=""))
    (made,) = refused.value.events
    assert (made.fields["symbol"], made.fields["is_full_listing"]) == ("BTCUSDT", False)


def test_the_list_of_funding_comes_before_the_list_of_instruments() -> None:
    """They are one round on one connection: the second page is asked for whatever the first said."""
    (poll,) = USDM.polls([Stream("instrument", "")])
    assert poll.request.path == "/fapi/v1/fundingInfo"
    second = USDM.next_page(poll.request, b"anything")
    assert second == USDM.listing_request()
    assert USDM.next_page(second, b"{}") is None
