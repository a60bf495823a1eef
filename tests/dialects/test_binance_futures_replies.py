"""What Binance's futures answer over REST: books and trades, what was charged, interest, ratios, funds, klines, and refusals."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.binance_futures.dialect import BinanceCoinm, BinanceFutures, BinanceUsdm
from dialects.contract import Fields, Poll
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

USDM, COINM = BinanceUsdm(), BinanceCoinm()
TIME = 1_790_000_000_123
MINUTE = 60_000


def read(spoken: BinanceFutures, request: str, body: Any, memory: Memory | None = None) -> list[Fields]:
    """Return the events' own fields of a reply."""
    payload = orjson.dumps(body)
    return [made.fields for made in spoken.read(frame(spoken.venue, payload, request), Memory() if memory is None else memory)]


def test_a_book_and_trades_of_the_symbol_that_was_asked_for() -> None:
    """The whole book at its id and time, with the depth asked for; trades as they are pushed, the symbol the request's."""
    body = {"lastUpdateId": 17, "E": TIME + 3, "T": TIME, "bids": [["64250.10", "1.2"]], "asks": []}
    request = USDM.snapshot_request(Stream("book", "BTCUSDT"))
    assert request is not None
    (book,) = read(USDM, request.text, body)
    assert (book["symbol"], book["is_snapshot"], book["depth"], book["event_time"]) == ("BTCUSDT", True, 1000, TIME * 1000)
    assert (book["first_sequence"], book["last_sequence"]) == (17, 17)
    rows = [{"a": 7, "p": "64000", "q": "64", "nq": "0", "f": 1, "l": 2, "T": TIME, "m": False}]
    (trade,) = read(COINM, COINM.trades_request("BTCUSD_PERP", 7, None).text, rows)
    assert (trade["symbol"], trade["sequence"], trade["side"], trade["trade_kind"]) == ("BTCUSD_PERP", 7, "buy", "rpi")
    assert (trade["size_quote"], trade["size_base"]) == (encode("6400"), encode("0.1"))


CHARGED = [
    {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": 1_789_948_800_002, "markPrice": "64000.1", "rateType": "Regular"},
    {"symbol": "BTCUSDT", "fundingRate": "-0.00002796", "fundingTime": 1_789_977_600_010, "markPrice": "64100.2", "rateType": "Special"},
]


def test_what_was_charged_is_told_once() -> None:
    """Each charge at its own time, the milliseconds kept; its interval measured from the one before, and unknown of the first."""
    memory = Memory()
    first, second = read(USDM, "GET /fapi/v1/fundingRate?symbol=BTCUSDT&limit=3", CHARGED, memory)
    assert second == {
        "symbol": "BTCUSDT",
        "event_time": 1_789_977_600_010_000,
        "rate": encode("-0.00002796"),
        "rate_kind": "settled",
        "interval_s": 8 * 3600,
        "settles_at": 1_789_977_600_010_000,
        "model": "discrete",
        "special": True,
        "raw_field": "fundingRate",
    }
    assert (first["interval_s"], first["special"]) == (None, False)
    assert read(USDM, "GET /fapi/v1/fundingRate?symbol=BTCUSDT&limit=3", CHARGED, memory) == []
    newest = CHARGED[1] | {"fundingTime": 1_789_992_000_003}
    (made,) = read(USDM, "GET /fapi/v1/fundingRate?symbol=BTCUSDT&limit=3", [CHARGED[1], newest], memory)
    assert made["interval_s"] == 4 * 3600
    assert len(read(USDM, "GET /fapi/v1/fundingRate?symbol=BTCUSDT&limit=3", CHARGED)) == 2


def test_no_charge_is_told_anew_without_the_interval_it_had() -> None:
    """The oldest of a full reply is what the next is measured by: a new connection tells none without an interval that one told with it."""
    rows = [CHARGED[0] | {"fundingTime": TIME + number * 28_800_000} for number in range(9)]
    (poll,) = USDM.polls([Stream("funding", "BTCUSDT")])
    most = int(poll.request.path.partition("limit=")[2])
    known: dict[int, int | None] = {}
    for last in range(1, len(rows) + 1):
        for memory in (Memory(), Memory()):
            made = read(USDM, poll.request.text, rows[max(0, last - most) : last], memory)
            for one in made:
                assert one["interval_s"] == known.setdefault(one["settles_at"], one["interval_s"])
    assert len(known) == len(rows)
    assert [seconds for _, seconds in sorted(known.items())] == [None, *[28_800] * 8]
    (alone,) = read(USDM, "GET /fapi/v1/fundingRate?symbol=BTCUSDT&limit=1", rows[:1])
    assert alone["interval_s"] is None


def test_open_interest_in_both_units() -> None:
    """USD-M counts base currency; 6784657 contracts of 100 dollars are 678465700 dollars, of an unknown pair nobody knows."""
    (base,) = read(USDM, "GET /fapi/v1/openInterest?symbol=BTCUSDT", {"symbol": "BTCUSDT", "openInterest": "83782.317", "time": TIME})
    assert base == {
        "symbol": "BTCUSDT",
        "event_time": TIME * 1000,
        "oi_native": encode("83782.317"),
        "oi_native_unit": "base",
        "oi_base": encode("83782.317"),
        "oi_quote": None,
        "sides": "single",
    }
    for symbol, dollars in (("BTCUSD_PERP", encode("678465700")), ("NEWUSD_PERP", None)):
        (made,) = read(COINM, "GET /dapi/v1/openInterest", {"symbol": symbol, "openInterest": "6784657", "time": TIME})
        assert (made["oi_native_unit"], made["oi_base"], made["oi_quote"]) == ("contract", None, dollars)


def test_open_interest_of_periods() -> None:
    """The value is in quote currency of USD-M, in base currency of COIN-M; a period that has changed since is told anew."""
    request = "GET /futures/data/openInterestHist?symbol=BTCUSDT&period=5m&limit=3"
    row = {"symbol": "BTCUSDT", "sumOpenInterest": "36316.877", "sumOpenInterestValue": "413220015.26744573", "timestamp": TIME}
    memory = Memory()
    (made,) = read(USDM, request, [row], memory)
    assert (made["oi_base"], made["oi_quote"], made["period_s"]) == (encode("36316.877"), encode("413220015.26744573"), 300)
    assert read(USDM, request, [row], memory) == []
    (mended,) = read(USDM, request, [row | {"sumOpenInterest": "36316.878"}], memory)
    assert mended["oi_native"] == encode("36316.878")
    request = "GET /futures/data/openInterestHist?pair=BTCUSD&contractType=PERPETUAL&period=1d&limit=3"
    row = {"pair": "BTCUSD", "contractType": "PERPETUAL", "sumOpenInterest": "2841", "sumOpenInterestValue": "4.4", "timestamp": TIME}
    (coins,) = read(COINM, request, [row])
    assert (coins["symbol"], coins["oi_native"], coins["oi_native_unit"]) == ("BTCUSD_PERP", encode("2841"), "contract")
    assert (coins["oi_base"], coins["oi_quote"], coins["period_s"]) == (encode("4.4"), encode("284100"), 86_400)
    for wrong in (request.replace("PERPETUAL", "NEXT_QUARTER"), request.replace("1d", "7m"), request.replace("BTCUSD", "ETHUSD")):
        with pytest.raises(InvalidDatum):
            read(COINM, wrong, [row])


@pytest.mark.parametrize(
    ("path", "population", "basis"),
    [
        ("globalLongShortAccountRatio", "all", "accounts"),
        ("topLongShortAccountRatio", "top", "accounts"),
        ("topLongShortPositionRatio", "top", "positions"),
    ],
)
def test_who_is_long(path: str, population: str, basis: str) -> None:
    """Of whom and by what, by the path; USD-M calls the shares accounts even where they are positions, and may write times as text."""
    row = {"symbol": "BTCUSDT", "longShortRatio": "1.3781", "longAccount": "0.5795", "shortAccount": "0.4205", "timestamp": str(TIME)}
    (made,) = read(USDM, f"GET /futures/data/{path}?symbol=BTCUSDT&period=5m&limit=3", [row])
    assert made == {
        "symbol": "BTCUSDT",
        "event_time": TIME * 1000,
        "population": population,
        "basis": basis,
        "long": encode("0.5795"),
        "short": encode("0.4205"),
        "ratio": encode("1.3781"),
        "volume_unit": "unknown",
        "period_s": 300,
        "scope": "symbol",
    }
    with pytest.raises(InvalidDatum, match="'BTCUSDT' where that of 'ETHUSDT'"):
        read(USDM, f"GET /futures/data/{path}?symbol=ETHUSDT&period=5m", [row])
    with pytest.raises(InvalidDatum, match="neither what it counts"):
        read(USDM, f"GET /futures/data/{path}?symbol=BTCUSDT&period=5m", [row | {"longAccount": None}])


def test_what_takers_traded() -> None:
    """USD-M says a ratio and amounts of base currency, and no symbol; COIN-M contracts of a pair, and no ratio."""
    row = {"buySellRatio": "1.5586", "buyVol": "387.3300", "sellVol": "248.5030", "timestamp": TIME}
    (made,) = read(USDM, "GET /futures/data/takerlongshortRatio?symbol=BTCUSDT&period=5m", [row])
    assert (made["symbol"], made["basis"], made["ratio"], made["volume_unit"]) == ("BTCUSDT", "taker_volume", encode("1.5586"), "base")
    assert (made["buy_volume"], made["sell_volume"], made["scope"]) == (encode("387.33"), encode("248.503"), "symbol")
    row = {"pair": "BTCUSD", "contractType": "ALL", "takerBuyVol": "2286", "takerSellVol": "390", "timestamp": TIME}
    (coins,) = read(COINM, "GET /futures/data/takerBuySellVol?pair=BTCUSD&contractType=ALL&period=5m", [row])
    assert (coins["symbol"], coins["buy_volume"], coins["volume_unit"]) == ("BTCUSD", encode("2286"), "contract")
    assert (coins["scope"], "ratio" in coins) == ("pair", False)


def test_funds_of_groups() -> None:
    """One event for each asset of a group, which is called by its first symbol; a group of one is that symbol's; below zero is taken."""
    several = {"symbols": ["BNBUSDT", "BTCUSDT"], "assets": [{"asset": "USDT", "marginBalance": "793930579.3", "updateTime": TIME}]}
    alone = {"symbols": ["OMUSDT"], "assets": [{"asset": "USDT", "marginBalance": "-0.5", "updateTime": TIME}]}
    memory = Memory()
    first, second = read(USDM, "GET /fapi/v1/insuranceBalance", [several, alone], memory)
    assert first == {
        "symbol": "",
        "event_time": TIME * 1000,
        "pool": "BNBUSDT",
        "symbols": ["BNBUSDT", "BTCUSDT"],
        "asset": "USDT",
        "balance": encode("793930579.3"),
        "shared": True,
    }
    assert (second["symbol"], second["pool"], second["balance"], second["shared"]) == ("OMUSDT", "OMUSDT", encode("-0.5"), False)
    assert read(USDM, "GET /fapi/v1/insuranceBalance", [several, alone], memory) == []
    with pytest.raises(InvalidDatum, match="of no symbol"):
        read(USDM, "GET /fapi/v1/insuranceBalance", {"symbols": [], "assets": []})


def kline(open_time: int, **changes: Any) -> list[Any]:
    """Return one row of klines in the documented form."""
    row = {"open": "10", "high": "12", "low": "9", "close": "11", "volume": "3", "close_time": open_time + MINUTE - 1, "other": "33"}
    said = row | changes
    return [open_time, *said.values(), 308, "1.5", "16.5", "0"]


def test_klines_of_a_reply() -> None:
    """Oldest first: all but the last are over. Volume and turnover in base and quote of USD-M, contracts and base of COIN-M."""
    request = "GET {}/klines?symbol=X&interval=1m&limit=5"
    first, second = read(USDM, request.format("/fapi/v1"), [kline(0), kline(MINUTE)])
    assert (first["open_time"], first["close_time"], first["closed"], second["closed"]) == (0, MINUTE * 1000, True, False)
    assert (first["volume"], first["volume_unit"], first["base_volume"], first["quote_volume"]) == (
        encode("3"),
        "base",
        encode("3"),
        encode("33"),
    )
    assert (first["symbol"], first["interval"], first["trades"], first["version"]) == ("X", "1m", 308, 1_700_000_000_000_000)
    (coins,) = read(COINM, request.format("/dapi/v1"), [kline(0)])
    assert (coins["volume"], coins["volume_unit"], coins["base_volume"], coins["quote_volume"]) == (
        encode("3"),
        "contract",
        encode("33"),
        None,
    )


@pytest.mark.parametrize(
    "rows",
    [
        [kline(MINUTE), kline(0)],
        [kline(0), kline(0)],
        [kline(0, high="10.5")],
        [kline(0, low="10.5")],
        [kline(0, volume="-1")],
        [kline(0, close_time=-1)],
        [kline(MINUTE, close_time=MINUTE - 1)],
        [kline(0, close_time=(2**63 - 1) // 1000)],
        [[0, "1"]],
    ],
)
def test_klines_that_cannot_be_are_refused(rows: list[Any]) -> None:
    """Out of order, prices outside of high and low, amounts below zero, a close before its open or past all time, a row that is short."""
    with pytest.raises(InvalidDatum):
        read(USDM, "GET /fapi/v1/klines?symbol=X&interval=1m", rows)


def test_premiums_say_index_rate_and_interest() -> None:
    """One object or a list of them; of a future rate and interest are empty."""
    said = {"symbol": "BTCUSDT", "markPrice": "11793.63", "indexPrice": "11781.80", "estimatedSettlePrice": "11781.16", "time": TIME}
    perpetual = said | {"lastFundingRate": "0.00038246", "interestRate": "0.0001", "nextFundingTime": 1_790_006_400_000}
    price, rate = read(USDM, "GET /fapi/v1/premiumIndex?symbol=BTCUSDT", perpetual)
    assert (price["index_price"], price["estimated_settlement_price"]) == (encode("11781.8"), None)
    assert (rate["rate"], rate["interest_rate"], rate["raw_field"]) == (encode("0.00038246"), encode("0.0001"), "lastFundingRate")
    future = said | {"symbol": "BTCUSD_261225", "lastFundingRate": "", "interestRate": "", "nextFundingTime": 0}
    (alone,) = read(COINM, "GET /dapi/v1/premiumIndex", [future])
    assert alone["estimated_settlement_price"] == encode("11781.16")


def requests(spoken: BinanceFutures, channel: str, *symbols: str) -> list[Poll]:
    """Return what is asked again and again for a channel of symbols."""
    return spoken.polls([Stream(channel, symbol) for symbol in symbols])


def test_what_is_polled() -> None:
    """Each request once, of a pair for all its contracts; where the venue has nothing of a contract, none; symbols are escaped."""
    assert [poll.request.path for poll in requests(USDM, "funding", "BTCUSDT", "BTCUSDT_261225")] == [
        "/fapi/v1/fundingRate?symbol=BTCUSDT&limit=4"
    ]
    assert len(requests(USDM, "long_short_ratio", "BTCUSDT", "ETHUSDT")) == 8
    ratios = requests(COINM, "long_short_ratio", "BTCUSD_PERP", "BTCUSD_261225")
    assert len(ratios) == 4
    assert {poll.streams for poll in ratios} == {(Stream("long_short_ratio", "BTCUSD_PERP"), Stream("long_short_ratio", "BTCUSD_261225"))}
    assert [poll.request.path for poll in requests(COINM, "open_interest_history", "BTCUSD_PERP", "BTCUSD_261225")] == [
        "/futures/data/openInterestHist?pair=BTCUSD&contractType=PERPETUAL&period=5m&limit=3"
    ]
    (interest,) = requests(USDM, "open_interest", "币安人生USDT")
    assert interest.request.path == "/fapi/v1/openInterest?symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"
    body = {"symbol": "币安人生USDT", "openInterest": "1", "time": TIME}
    assert read(USDM, interest.request.text, body)[0]["symbol"] == "币安人生USDT"


@pytest.mark.parametrize(
    ("status", "code", "again", "limited", "unclear"),
    [
        (429, -1003, 60, True, False),
        (418, -1003, 60, True, False),
        (400, -1003, 60, True, False),
        (400, -1121, None, False, False),
        (400, -4088, None, False, False),
        (401, -2014, None, False, False),
        (400, -1000, 0, False, False),
        (503, -1008, 0, False, False),
        (400, -1008, 60, False, False),
        (400, -9999, 0, False, True),
        (451, 0, 0, False, True),
    ],
)
def test_refusals_in_the_venues_words(status: int, code: int, again: float | None, limited: bool, unclear: bool) -> None:
    """What will pass is asked again, what is said of the request lasts, what nobody knows is unclear; a good answer is none."""
    found = USDM.refusal(status, {}, orjson.dumps({"code": code, "msg": "Said so."}))
    assert found is not None
    assert (found.again, found.limited, found.unclear) == (again, limited, unclear)
    assert USDM.refusal(200, {}, b'{"symbol":"X"}') is None
    assert USDM.refusal(200, {}, b"null") is None


@pytest.mark.parametrize(
    "request_text", ["GET /fapi/v1/depth", "GET /fapi/v1/klines?interval=1m", "GET /dapi/v1/depth?symbol=X", "GET /x", ""]
)
def test_a_reply_to_what_was_not_asked_is_refused(request_text: str) -> None:
    """No symbol, a path of the other market, or none that is known: nobody can say what it is."""
    with pytest.raises(InvalidDatum):
        read(USDM, request_text, {"lastUpdateId": 1, "bids": [], "asks": []})


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["0.1", "0.2"])), max_size=6))
def test_rows_are_told_until_the_reply_before_had_them(rows: list[tuple[int, str]]) -> None:
    """Whatever rows come in two replies, the second tells those that the first did not have, word for word."""
    request, memory = "GET /futures/data/takerlongshortRatio?symbol=X&period=5m", Memory()

    def reply(some: list[tuple[int, str]]) -> list[tuple[int, bytes]]:
        body = [{"buySellRatio": "1", "buyVol": bought, "sellVol": "1", "timestamp": time} for time, bought in some]
        return [(one["event_time"] // 1000, one["buy_volume"]) for one in read(USDM, request, body, memory)]

    half = len(rows) // 2
    first, second = rows[:half], rows[half:]
    assert reply(first) == [(time, encode(bought)) for time, bought in first]
    assert reply(second) == [(time, encode(bought)) for time, bought in second if (time, bought) not in first]
