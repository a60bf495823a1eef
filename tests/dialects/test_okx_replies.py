"""What OKX answers to requests, and how it refuses them."""

from typing import Any

import orjson
import pytest

from dialects.contract import Request
from dialects.memory import Memory
from dialects.okx.dialect import Okx
from dialects.stream import Stream
from schemas.decimals import encode, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

SPOKEN = Okx()
SWAP = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "instFamily": "BTC-USDT", "settleCcy": "USDT", "state": "live"}
SWAP |= {"ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "ctType": "linear", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01"}
SWAP |= {"listTime": "1573557408000", "expTime": "", "instCategory": "1", "maxLmtSz": "100000000", "baseCcy": "", "quoteCcy": ""}
INVERSE = SWAP | {"instId": "BTC-USD-SWAP", "uly": "BTC-USD", "settleCcy": "BTC", "ctVal": "100", "ctValCcy": "USD", "ctType": "inverse"}
FUTURE = INVERSE | {"instType": "FUTURES", "instId": "BTC-USD-241227", "expTime": "1735286400000"}
OPTION = FUTURE | {"instType": "OPTION", "instId": "BTC-USD-241227-92000-C", "optType": "C", "stk": "92000", "ctMult": "0.01", "ctVal": "1"}
OPTION |= {"ctValCcy": "BTC", "ctType": ""}
SPOT = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "state": "live",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
}
LIST = "GET /api/v5/public/instruments?instType="


def answered(request: str, *rows: Any, memory: Memory | None = None, received_at: int | None = None) -> list[dict[str, Any]]:
    """Return the fields of the events in a reply."""
    one = frame("okx", orjson.dumps({"code": "0", "msg": "", "data": rows}), request)
    one = one if received_at is None else one._replace(received_at=received_at)
    return [made.fields for made in SPOKEN.read(one, Memory() if memory is None else memory)]


def test_instruments_are_what_the_venue_says() -> None:
    """Base and quote from the underlying, contract sizes in their own unit, canonical names made of parts."""
    swap, inverse = answered(f"{LIST}SWAP", SWAP, INVERSE)
    assert (swap["canonical_name"], swap["kind"], swap["margin_type"], swap["settle"]) == ("BTC-USDT-PERP", "perpetual", "linear", "USDT")
    assert (swap["contract_size"], swap["contract_size_unit"]) == (encode("0.01"), "base")
    assert (swap["tick_size"], swap["lot_size"], swap["price_scale"], swap["size_scale"]) == (encode("0.1"), encode("0.01"), 1, 2)
    assert (swap["trading_status"], swap["asset_class"], swap["list_time"]) == ("trading", "crypto", 1573557408000000)
    assert (inverse["canonical_name"], inverse["margin_type"]) == ("BTC-USD-PERP", "inverse")
    assert (inverse["contract_size"], inverse["contract_size_unit"]) == (encode("100"), "quote")
    (future,) = answered(f"{LIST}FUTURES", FUTURE)
    assert (future["canonical_name"], future["expiry_time"], future["delist_time"]) == ("BTC-USD-20241227", 1735286400000000, None)
    (option,) = answered(f"{LIST}OPTION&instFamily=BTC-USD", OPTION)
    assert (option["canonical_name"], option["option_type"], option["strike"]) == ("BTC-USD-20241227-92000-C", "call", encode("92000"))
    assert (option["contract_size"], option["contract_size_unit"], option["margin_type"]) == (encode("0.01"), "base", "inverse")
    (spot,) = answered(f"{LIST}SPOT", SPOT | {"expTime": "1735286400000"})
    assert (spot["canonical_name"], spot["kind"], spot["margin_type"], spot["settle"]) == ("BTC-USDT", "spot", "none", "USDT")
    assert (spot["contract_size"], spot["expiry_time"], spot["delist_time"]) == (None, None, 1735286400000000)


@pytest.mark.parametrize(
    ("said", "status"),
    [("live", "trading"), ("suspend", "suspended"), ("preopen", "pre_open"), ("post_only", "post_only"), ("moon", "unknown")],
)
def test_states(said: str, status: str) -> None:
    """The venue's word stays beside the common one; one that is not known is unknown."""
    (one,) = answered(f"{LIST}SPOT", SPOT | {"state": said})
    assert (one["status"], one["trading_status"]) == (said, status)


def test_what_will_change_and_what_is_not_said_yet() -> None:
    """Announced changes are told in the venue's words; fields that are empty before a listing are null."""
    change = {"param": "tickSz", "newValue": "0.0001", "effTime": "1704876947000"}
    (one,) = answered(f"{LIST}SPOT", SPOT | {"upcChg": [change], "tickSz": "", "lotSz": "", "instCategory": ""})
    assert (one["upcoming_parameters"], one["upcoming_values"], one["upcoming_times"]) == (["tickSz"], ["0.0001"], ["1704876947000"])
    assert (one["tick_size"], one["price_scale"], one["asset_class"]) == (None, None, "unknown")


def test_one_instrument_that_cannot_be_read_costs_no_other() -> None:
    """Its reason is told; the others are events."""
    with pytest.raises(InvalidDatum, match="decimal number"):
        answered(f"{LIST}SWAP", SWAP | {"ctVal": "much"}, INVERSE)


def test_what_a_contract_holds_is_noted_where_it_was_asked_for() -> None:
    """By the reply to the question for one contract; a whole list notes none, for its connection carries no trades."""
    memory = Memory()
    answered(f"{LIST}SWAP", SWAP, memory=memory)
    assert not memory
    answered(f"{LIST}SWAP&instId=BTC-USDT-SWAP", SWAP, memory=memory)
    answered(f"{LIST}OPTION&instFamily=BTC-USD&instId=BTC-USD-241227-92000-C", OPTION, memory=memory)
    assert memory == {
        "contract|BTC-USDT-SWAP": [str(unscaled("0.01")), "base"],
        "contract|BTC-USD-241227-92000-C": [str(unscaled("0.01")), "base"],
    }


def test_trades_of_contracts_need_what_a_contract_holds() -> None:
    """One request for each contract whose trades are carried; none for spot, and none for other channels."""
    streams = [
        Stream(channel, symbol) for channel in ("trade", "book") for symbol in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-241227-92000-C")
    ]
    assert [one.path for one in SPOKEN.references([*streams, Stream("block_trade", "BTC-USDT-SWAP")])] == [
        "/api/v5/public/instruments?instType=SWAP&instId=BTC-USDT-SWAP",
        "/api/v5/public/instruments?instType=OPTION&instFamily=BTC-USD&instId=BTC-USD-241227-92000-C",
    ]


def test_lists_follow_one_another() -> None:
    """Spot, perpetuals, futures, options of each family; then no more. What is asked for once is no list."""
    request: Request | None = SPOKEN.listing_request()
    asked = []
    while request is not None:
        asked.append(request.path.partition("?")[2])
        request = SPOKEN.next_page(request, b"")
    assert asked[:3] == ["instType=SPOT", "instType=SWAP", "instType=FUTURES"]
    assert asked[3:] == ["instType=OPTION&instFamily=BTC-USD", "instType=OPTION&instFamily=ETH-USD"]
    for path in ("/api/v5/public/instruments?instType=SWAP&instId=A-B-SWAP", "/api/v5/market/candles?instId=A-B", "/else"):
        assert SPOKEN.next_page(Request("GET", path), b"") is None


def test_missing_trades_are_asked_for_by_id() -> None:
    """The hundred before an id: those from the first that is missing on; the reply, newest first, is read oldest first."""
    request = SPOKEN.trades_request("BTC-USDT", 242720719, None)
    assert request.path == "/api/v5/market/history-trades?instId=BTC-USDT&type=1&after=242720819&limit=100"
    row = {"instId": "BTC-USDT", "side": "sell", "sz": "0.00001", "source": "0", "px": "29963.2"}
    rows = [row | {"tradeId": number, "ts": "1654161646974"} for number in ("242720720", "242720719")]
    assert [one["sequence"] for one in answered(request.text, *rows)] == [242720719, 242720720]


CANDLES = "GET /api/v5/market/candles?instId={}&bar={}&limit=5"
ROW = ["1747094040000", "102806.1", "102820.4", "102806.1", "102820.4", "1040.37", "10.4037", "1069603.34883", "1"]


def test_candles_count_what_their_instrument_counts() -> None:
    """Of a contract: contracts, base and quote; of spot: base and quote. The venue says which is closed."""
    contract, spot = (answered(CANDLES.format(symbol, "1m"), ROW, received_at=17)[0] for symbol in ("BTC-USDT-SWAP", "BTC-USDT"))
    assert (contract["volume"], contract["volume_unit"], contract["base_volume"]) == (encode("1040.37"), "contract", encode("10.4037"))
    assert (contract["quote_volume"], contract["closed"], contract["version"]) == (encode("1069603.34883"), True, 17)
    assert (spot["volume_unit"], spot["base_volume"], spot["quote_volume"]) == ("base", encode("1040.37"), encode("1069603.34883"))
    assert (spot["interval"], spot["open_time"], spot["close_time"]) == ("1m", 1747094040000000, 1747094100000000)
    assert not answered(CANDLES.format("BTC-USDT", "1m"), [*ROW[:-1], "0"])[0]["closed"]


@pytest.mark.parametrize(("bar", "interval", "minutes"), [("4H", "4h", 240), ("1Dutc", "1d", 1440), ("1Wutc", "1w", 10080)])
def test_bars(bar: str, interval: str, minutes: int) -> None:
    """Lengths by our names."""
    (one,) = answered(CANDLES.format("BTC-USDT", bar), ROW)
    assert (one["interval"], one["close_time"] - one["open_time"]) == (interval, minutes * 60_000_000)


@pytest.mark.parametrize(
    ("bar", "rows", "reason"),
    [
        ("1D", [ROW], "the bar '1D' is none of"),
        ("1m", [ROW[:7]], "length 9"),
        ("1m", [[*ROW[:-1], "2"]], "neither open nor closed"),
        ("1m", [ROW, ROW], "not newest first"),
        ("1m", [["", *ROW[1:]]], "which is no time"),
        ("1m", [[ROW[0], "3", *ROW[2:]]], "as its highest"),
        ("1m", [[*ROW[:5], "-1", *ROW[6:]]], "below zero"),
    ],
)
def test_candles_that_cannot_be_are_refused(bar: str, rows: list[list[str]], reason: str) -> None:
    """One wrong row refuses the reply: where columns or rows are not what they were, none is known. Days of Hong Kong are not ours."""
    with pytest.raises(InvalidDatum, match=reason):
        answered(CANDLES.format("BTC-USDT", bar), *rows)


RATIO = "GET /api/v5/rubik/stat/contracts/long-short-account-ratio-contract?instId=BTC-USDT-SWAP&period=5m&limit=3"
VOLUME = "GET /api/v5/rubik/stat/taker-volume-contract?instId=BTC-USDT-SWAP&period=5m&limit=3&unit=1"


def test_ratios_are_told_once_and_again_where_they_have_changed() -> None:
    """The pages' own numbers; what a later reply repeats is no event, what it says otherwise is one."""
    memory = Memory()
    newer, older = ["1701417600000", "1.1739"], ["1701417300000", "0.1236"]
    first = answered(RATIO, newer, older, memory=memory)
    assert [(one["ratio"], one["event_time"]) for one in first] == [
        (encode("0.1236"), 1701417300000000),
        (encode("1.1739"), 1701417600000000),
    ]
    assert (first[0]["population"], first[0]["basis"], first[0]["period_s"]) == ("all", "accounts", 300)
    assert answered(RATIO, newer, older, memory=memory) == []
    assert [one["ratio"] for one in answered(RATIO, ["1701417600000", "1.18"], older, memory=memory)] == [encode("1.18")]


def test_takers_sold_comes_first() -> None:
    """Rows are [ts, sold, bought], in contracts."""
    (one,) = answered(VOLUME, ["1701417600000", "200", "380"])
    assert (one["sell_volume"], one["buy_volume"], one["volume_unit"]) == (encode("200"), encode("380"), "contract")
    with pytest.raises(InvalidDatum, match="2 columns"):
        answered(VOLUME, ["1701417600000", "200"])
    with pytest.raises(InvalidDatum, match="nobody has asked"):
        answered(VOLUME.replace("unit=1", "unit=2"), ["1701417600000", "200", "380"])


def test_ratios_are_asked_for_one_after_the_other() -> None:
    """Four requests for a contract, and then no more."""
    (poll,) = SPOKEN.polls([Stream("long_short_ratio", "BTC-USDT-SWAP")])
    request: Request | None = poll.request
    asked = []
    while request is not None:
        asked.append(request.path.partition("?")[0].rpartition("/")[2])
        request = SPOKEN.next_page(request, b"")
    assert asked == [
        "long-short-account-ratio-contract",
        "long-short-account-ratio-contract-top-trader",
        "long-short-position-ratio-contract-top-trader",
        "taker-volume-contract",
    ]


@pytest.mark.parametrize(
    ("status", "code", "again", "limited", "unclear"),
    [
        (429, "50011", 2.0, True, False),
        (200, "50011", 2.0, True, False),
        (200, "51001", None, False, False),
        (400, "51000", None, False, False),
        (400, "50014", None, False, False),
        (400, "50004", 0.0, False, False),
        (429, "50013", 5.0, False, False),
        (200, "1", 0.0, False, True),
        (400, "59999", 0.0, False, True),
    ],
)
def test_refusals(status: int, code: str, again: float | None, limited: bool, unclear: bool) -> None:
    """What lasts, what passes and what is too often, by the venue's code; an unknown code may pass."""
    refusal = SPOKEN.refusal(status, {}, orjson.dumps({"code": code, "msg": "words", "data": []}))
    assert refusal is not None
    assert (refusal.again, refusal.limited, refusal.unclear) == (again, limited, unclear)
    assert refusal.words == f"words (code {code})"


def test_what_is_no_answer_at_all() -> None:
    """By the status where there is no code; JSON of another form is unclear; an empty list is an answer."""
    assert SPOKEN.refusal(200, {}, b'{"code":"0","msg":"","data":[]}') is None
    assert SPOKEN.refusal(200, {}, b'{"code":"0","msg":""}').unclear  # type: ignore[union-attr] # it is none
    assert SPOKEN.refusal(200, {}, b"[]").unclear  # type: ignore[union-attr]
    assert SPOKEN.refusal(503, {}, b'{"code":"50001","msg":"away"}').again == 0  # type: ignore[union-attr]
    limited = SPOKEN.refusal(429, {"Retry-After": "7"}, b"slow down")
    assert limited is not None
    assert (limited.limited, limited.again) == (True, 7)


def test_a_reply_that_is_an_error_is_no_event() -> None:
    """Where one reaches the normaliser it is refused with its words."""
    with pytest.raises(InvalidDatum, match=r"Instrument ID doesn't exist \(code 51001\)"):
        list(SPOKEN.read(frame("okx", b'{"code":"51001","msg":"Instrument ID doesn\'t exist","data":[]}', RATIO), Memory()))
