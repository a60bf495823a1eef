"""Whatever times a venue gives its candles, no event says that one is over which has not begun, or is of no time at all."""

import json
from typing import Any

import pytest

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser, RefusedFrame

AT = 1_790_000_000_000_000
MINUTE = 60_000
NOW = AT // 1000 // MINUTE * MINUTE
HOUR = 60 * MINUTE
ABSURD = 4_133_404_800_000 // MINUTE * MINUTE


def hyperliquid(times: list[int]) -> tuple[str, Any]:
    """Return a request and its reply."""
    rows = [
        {"t": t, "T": t + MINUTE - 1, "s": "BTC", "i": "1m", "o": "1", "c": "1", "h": "1", "l": "1", "v": "1", "n": 1}
        for t in sorted(times)
    ]
    return 'POST /info {"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m"}}', rows


def binance_usdm(times: list[int]) -> tuple[str, Any]:
    """Return a request and its reply."""
    rows = [[t, "1", "1", "1", "1", "1", t + MINUTE - 1, "1", 1] for t in sorted(times)]
    return "GET /fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=5", rows


def okx(times: list[int]) -> tuple[str, Any]:
    """Return a request and its reply."""
    rows = [[str(t), "1", "1", "1", "1", "1", "1", "1", "1"] for t in sorted(times, reverse=True)]
    return "GET /api/v5/market/candles?instId=BTC-USDT&bar=1m&limit=5", {"code": "0", "data": rows}


def coinbase_exchange(times: list[int]) -> tuple[str, Any]:
    """Return a request and its reply."""
    return "GET /products/BTC-USD/candles?granularity=60", [[t // 1000, 1, 1, 1, 1, 1] for t in sorted(times, reverse=True)]


@pytest.mark.parametrize("reply", [hyperliquid, binance_usdm, okx, coinbase_exchange])
@pytest.mark.parametrize("odd", [[0], [ABSURD], [ABSURD, ABSURD + MINUTE], [NOW + HOUR, NOW + HOUR + MINUTE]])
def test_no_candle_is_over_before_it_has_begun(reply: Any, odd: list[int]) -> None:
    """Rows of 1970, of 2100, of an hour from now: dead letters, and never events that are closed, nor of those years at all."""
    request, body = reply([NOW - 2 * MINUTE, *odd])
    frame = Frame(reply.__name__, "rest", "c", 1, AT, "reply", request, json.dumps(body, separators=(",", ":")).encode())
    made = list(Normaliser(all_dialects()).apply([(0, frame)]))
    candles = [one.record for one in made if isinstance(one, NormalisedEvent)]
    assert not [one for one in candles if one["closed"] and one["open_time"] > AT]
    assert not [one for one in candles if one["open_time"] in {0, ABSURD * 1000, (ABSURD + MINUTE) * 1000}]
    refused = [one for one in made if isinstance(one, RefusedFrame)]
    assert refused
    assert all(one.fault is None for one in refused)
