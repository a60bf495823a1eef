"""What is remembered of a venue's words: never of what was refused, and never more than can be kept."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from dialects.catalogue import all_dialects
from dialects.connections import MOST_BYTES
from dialects.contract import Frame
from dialects.kraken.frames import MOST_PAIRS
from dialects.memory import LONGEST_NAME, MOST_NAMES, Memory
from dialects.normaliser import NormalisedEvent, Normaliser, RefusedFrame
from dialects.told import MOST_ROWS, untold
from schemas.decimals import encode
from schemas.errors import InvalidDatum

NOW = 1_790_000_000_000_000
MILLIS = NOW // 1000
CONTRACT = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "state": "live", "uly": "BTC-USDT", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC",
    "ctType": "linear", "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "1", "minSz": "1",
}  # fmt: skip
PRODUCT = {"base_currency": "A", "quote_currency": "USD", "status": "online", "base_increment": "0.01", "quote_increment": "0.01"}


def framed(venue: str, said: Any, request: str | None = None, number: int = 1) -> Frame:
    """Return a frame of one connection, received now."""
    payload = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":")).encode()
    return Frame(venue, "rest" if request else "live", "c", number, NOW, "reply" if request else "message", request, payload)


def read(*said: Frame, core: Normaliser | None = None) -> tuple[list[NormalisedEvent], list[str]]:
    """Return the events of frames, and the reasons of those refused."""
    core = core or Normaliser(all_dialects())
    made = list(core.apply(enumerate(said, core.applied + 1)))
    return [one for one in made if isinstance(one, NormalisedEvent)], [one.reason for one in made if isinstance(one, RefusedFrame)]


def told(*said: Frame) -> tuple[list[str], int]:
    """Return the names of the events of frames, and how many were refused."""
    made, refused = read(*said)
    return [one.name for one in made], len(refused)


def status(time: int) -> dict[str, Any]:
    """Return Hyperliquid's state at a time."""
    return {"time": time, "specialStatuses": {"halt": 1}}


def premium(time: int) -> dict[str, Any]:
    """Return a premium index of Binance's futures at a time."""
    rates = {"lastFundingRate": "0.0001", "interestRate": "0.0001", "nextFundingTime": MILLIS + 3_600_000}
    return {"symbol": "BTCUSDT", "markPrice": "1", "indexPrice": "1", "estimatedSettlePrice": "1", "time": time} | rates


def charged(*times: int) -> list[dict[str, Any]]:
    """Return hours of funding of Hyperliquid."""
    return [{"coin": "BTC", "fundingRate": "0.0001", "premium": "0", "time": time} for time in times]


def interest(time: int) -> list[dict[str, Any]]:
    """Return a period of open interest of Binance's futures."""
    return [{"symbol": "BTCUSDT", "sumOpenInterest": "2", "sumOpenInterestValue": "4", "timestamp": time}]


@pytest.mark.parametrize(
    ("venue", "request_text", "bad", "good", "events"),
    [
        ("hyperliquid", 'POST /info {"type":"exchangeStatus"}', status(0), status(MILLIS), ["venue_status"]),
        (
            "hyperliquid",
            'POST /info {"type":"fundingHistory","coin":"BTC","startTime":1}',
            charged(9_200_000_000_000),
            charged(MILLIS - 3_600_000),
            ["funding_rate"],
        ),
        ("binance_usdm", "GET /fapi/v1/premiumIndex?symbol=BTCUSDT", premium(0), premium(MILLIS), ["mark_price", "funding_rate"]),
        (
            "binance_usdm",
            "GET /futures/data/openInterestHist?symbol=BTCUSDT&period=5m&limit=3",
            interest(0) + interest(MILLIS),
            interest(MILLIS - 300_000),
            ["open_interest", "open_interest"],
        ),
    ],
)
def test_what_the_bounds_refuse_was_not_told(venue: str, request_text: str, bad: Any, good: Any, events: Sequence[str]) -> None:
    """What could not be told for a value out of bounds is told when it comes as it can be."""
    assert told(framed(venue, bad, request_text, 1), framed(venue, good, request_text, 2)) == (list(events), 1)


@pytest.mark.parametrize(
    ("change", "refused"),
    [({}, 0), ({"ctVal": "-0.01"}, 1), ({"ctVal": "0"}, 0), ({"tickSz": "junk", "ctVal": "7"}, 1), ({"lotSz": "-1", "ctVal": "7"}, 1)],
)
def test_a_refused_contract_teaches_nothing(change: dict[str, str], refused: int) -> None:
    """Trades of a contract whose instrument cannot be are told in contracts alone: what one holds is not known."""
    request = "GET /api/v5/public/instruments?instType=SWAP&instId=BTC-USDT-SWAP"
    trade = {"instId": "BTC-USDT-SWAP", "tradeId": "1", "px": "50000", "sz": "3", "side": "buy", "source": "0", "ts": str(MILLIS)}
    pushed = {"arg": {"channel": "trades-all", "instId": "BTC-USDT-SWAP"}, "data": [trade]}
    made, reasons = read(framed("okx", {"code": "0", "msg": "", "data": [CONTRACT | change]}, request, 1), framed("okx", pushed, None, 2))
    (one,) = [event.record for event in made if event.name == "trade"]
    assert len(reasons) == refused
    assert (one["size_base"] is not None) == (not change)


def test_one_of_a_pushed_list_out_of_bounds_costs_no_other() -> None:
    """Contexts of all coins, and all products: those that can be are told, each time what cannot be is a dead letter."""
    universe = [{"universe": [{"szDecimals": 5, "name": name} for name in ("BTC", "ETH")]}]
    answer = {"type": "info", "payload": {"type": "allPerpMetas", "data": universe}}
    metas = framed("hyperliquid", {"channel": "post", "data": {"id": 1, "response": answer}}, None, 1)
    contexts = [{"funding": "0.0001", "openInterest": held, "premium": "0", "oraclePx": "2", "markPx": "3"} for held in ("1", "-1")]
    made, refused = read(metas, framed("hyperliquid", {"channel": "allDexsAssetCtxs", "data": {"ctxs": [["", contexts]]}}, None, 2))
    names = {"mark_price", "funding_rate", "open_interest"}
    assert {(one.name, one.record["symbol"]) for one in made} == {(name, "BTC") for name in names} | {
        (name, "ETH") for name in names - {"open_interest"}
    }
    assert len(refused) == 1
    products = [PRODUCT | {"id": "BTC-USD", "base_max_size": "5"}, PRODUCT | {"id": "ETH-USD", "base_max_size": "-1"}]
    made, refused = read(framed("coinbase_exchange", {"type": "status", "products": products}))
    assert [one.record["symbol"] for one in made if one.name == "instrument"] == ["BTC-USD"]
    assert len(refused) == 1


def test_what_is_too_large_to_be_kept_is_refused() -> None:
    """A frame of which more would be remembered than a checkpoint can write is a dead letter, and leaves what was there."""
    core = Normaliser(all_dialects())

    def universe(name: str, number: int) -> Frame:
        answer = {"type": "info", "payload": {"type": "allPerpMetas", "data": [{"universe": [{"szDecimals": 5, "name": name}]}]}}
        return framed("hyperliquid", {"channel": "post", "data": {"id": 1, "response": answer}}, None, number)

    assert read(universe("BTC", 1), core=core) == ([], [])
    core.dump()
    for number, name, refused in ((2, "D" * 8_500_000 + ":", 0), (3, "D" * 8_500_000, 1), (4, "D" * (LONGEST_NAME + 1) + ":x", 0)):
        assert len(read(universe(name, number), core=core)[1]) == refused
    assert core.connections["c"].memory["universe|"] == ["BTC"]
    assert all(len(data or b"") < MOST_BYTES for data in core.dump().values())


def ticker(number: int, kind: str, said: dict[str, str], time: int = MILLIS) -> Frame:
    """Return a ticker of Bybit."""
    document = {"topic": "tickers.BTCUSDT", "type": kind, "data": {"symbol": "BTCUSDT"} | said, "cs": 1, "ts": time}
    return framed("bybit_linear", document, None, number)


def test_what_is_merged_of_a_refused_ticker_is_forgotten() -> None:
    """A snapshot that could not be is told when it comes as it can be; a price that could not be keeps no later ones from being told."""
    whole = {"markPrice": "100", "indexPrice": "101", "fundingRate": "0.1", "nextFundingTime": "1790006400000"}
    made, refused = read(ticker(1, "snapshot", whole, NOW), ticker(2, "snapshot", whole))
    assert ([one.name for one in made], len(refused)) == (["mark_price", "funding_rate"], 1)
    made, refused = read(ticker(1, "snapshot", whole), ticker(2, "delta", {"markPrice": "-5"}), ticker(3, "delta", {"indexPrice": "102"}))
    last = made[-1].record
    assert (last["mark_price"], last["index_price"], len(refused)) == (None, encode("102"), 1)


def test_a_refused_row_is_let_go_and_no_other() -> None:
    """Rows beside one that cannot be are told once, however often the reply comes; it is refused each time."""
    request = "GET /futures/data/openInterestHist?symbol=BTCUSDT&period=5m&limit=3"
    reply = interest(0) + interest(MILLIS)
    assert told(*(framed("binance_usdm", reply, request, number) for number in range(1, 4))) == (["open_interest"], 3)


def test_scales_are_kept_whatever_pairs_are_called() -> None:
    """A pair of an endless name, or ever more pairs, leave the scales that are known as they are."""
    core = Normaliser(all_dialects())

    def pairs(number: int, *symbols: str) -> Frame:
        listed = [{"symbol": one, "price_precision": 1, "qty_precision": 8} for one in symbols]
        return framed("kraken", {"channel": "instrument", "type": "snapshot", "data": {"pairs": listed, "assets": []}}, None, number)

    many = [pairs(number, *(f"{number}x{other}/USD" for other in range(2000))) for number in range(3, 8)]
    read(pairs(1, "BTC/USD"), pairs(2, "A" * 1_100_000 + "/USD"), *many, core=core)
    scales = core.connections["c"].memory["scales"]
    assert (scales["BTC/USD"], len(scales)) == ([1, 8], MOST_PAIRS)
    assert all(len(data or b"") < MOST_BYTES for data in core.dump().values())
    assert "scales" in core.connections["c"].memory


def test_what_grows_frame_by_frame_is_begun_anew() -> None:
    """A thing remembered that has become too large to be written is let go: its entry is deleted, and the checkpoint goes through."""
    core = Normaliser(all_dialects())
    read(framed("kraken", {"channel": "heartbeat"}), core=core)
    core.connections["c"].memory["grown"] = ["x" * 1000] * (MOST_BYTES // 1000)
    (data,) = [data for name, data in core.dump().items() if "grown" in name]
    assert data is None
    assert "grown" not in core.connections["c"].memory


def test_no_more_names_than_are_allowed() -> None:
    """One thing too many is not remembered, nor one of too long a name; what is there may still change, and undoing needs no room."""
    memory = Memory({str(number): 0 for number in range(MOST_NAMES)})
    memory["1"] = 1
    memory["another"] = 1
    assert "another" not in memory
    del memory["2"]
    memory["another"] = 1
    memory.undo()
    assert (len(memory), memory["1"], memory["2"]) == (MOST_NAMES, 0, 0)
    memory["n" * (LONGEST_NAME + 1)] = 1
    assert len(memory) == MOST_NAMES


def test_rows_are_told_once_and_only_so_many_taken() -> None:
    """Rows that the reply before had are passed over, mended ones told anew; more than a venue gives are refused."""
    memory = Memory()
    rows = [[str(number), "a"] for number in range(MOST_ROWS)]
    assert untold(memory, "rows", rows) == list(range(MOST_ROWS))
    assert untold(memory, "rows", [*rows[1:], ["5", "b"]]) == [MOST_ROWS - 1]
    with pytest.raises(InvalidDatum, match="rows"):
        untold(memory, "rows", [*rows, ["new", "a"]])
    assert orjson.dumps(memory["rows"][-1]) == b'["5","b"]'
