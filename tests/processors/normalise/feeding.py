"""Frames to feed a normaliser with, and what it then keeps and makes."""

from collections.abc import Iterable

from dialects import notices
from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,"s":"BTCUSDT","t":%d,"p":"1.5","q":"2","T":1700000000000,'
    b'"m":true,"M":true}}'
)
SCALES = (
    b'{"channel":"instrument","type":"snapshot","data":{"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online",'
    b'"price_precision":4,"qty_precision":8}]}}'
)
BOOK = b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1.5,"qty":2}],"asks":[],"checksum":1}]}'


def frame(number: int, payload: bytes, venue: str = "binance", connection: str = "a", kind: str = "message") -> Frame:
    """Return a frame: the number in its connection's counter, and its payload."""
    return Frame(venue, "live", connection, number, 1_700_000_000_000_000 + number, kind, None, payload)


def normaliser() -> Normaliser:
    """Return one that has read nothing."""
    return Normaliser(all_dialects())


def kept(core: Normaliser, table: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Write what changed into a table, as a checkpoint does, and return it."""
    table = {} if table is None else table
    for name, value in core.dump().items():
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
    return table


def events(made: Iterable[object]) -> list[NormalisedEvent]:
    """Return what was made, where nothing was refused."""
    found = list(made)
    assert [one for one in found if not isinstance(one, NormalisedEvent)] == []
    return [one for one in found if isinstance(one, NormalisedEvent)]


def closed() -> bytes:
    """Return the remark that a connection has ended."""
    return notices.encode("closed", reason="over")
