"""Trades to write: plain, distinct, and with decimals to the last digit."""

from typing import Any

from schemas import decimals
from schemas.catalogue import event
from tests.sinks.tables import Tables

START = 1_742_944_020_000_000
TRADE = event("trade")


def trade(number: int, **changes: Any) -> dict[str, Any]:
    """Return the trade of a number: a millisecond apart, ids in a row."""
    return (
        TRADE.defaults
        | {
            "venue": "binance",
            "symbol": "BTCUSDT",
            "origin": "live",
            "connection_id": "binance-1",
            "connection_sequence": number + 1,
            "received_at": START + number * 1_000 + 500,
            "frame_index": 0,
            "frames_lost": 0,
            "event_time": START + number * 1_000,
            "trade_id": str(number),
            "sequence": number,
            "price": decimals.encode("87232.000000000000000001"),
            "size": decimals.to_bytes(number + 1),
            "side": "buy",
            "replayed": False,
        }
        | changes
    )


def encoded(store: Tables, numbers: range) -> list[bytes]:
    """Return trades as message values."""
    codec = store.codec(TRADE)
    return [codec.encode(trade(number)) for number in numbers]


def ids(store: Tables, final: str = "FINAL") -> list[int]:
    """Return the trade ids in the table, in order."""
    return sorted(int(row["trade_id"]) for row in store.rows(TRADE, final))
