"""Frames read as a block are the same events as frames read one by one."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import Block, NormalisedEvent, Normaliser, RefusedFrame
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.examples import examples

TWO_TRADES = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":1.5,"qty":2,"trade_id":1,'
    b'"timestamp":"2026-01-01T00:00:00.000000Z"},{"symbol":"ETH/USD","side":"sell","price":7,"qty":1e-8,"trade_id":4,'
    b'"timestamp":"2026-01-01T00:00:00Z"}]}'
)
SCALES = (
    b'{"channel":"instrument","type":"snapshot","data":{"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online",'
    b'"price_precision":4,"qty_precision":8}]}}'
)
NINES, ZEROS = b"9" * 5000, b"0" * 5000
"""More digits than Python itself makes a number of."""
VENUES = ("binance", "kraken", "bybit_linear", "nobody")
PAYLOADS = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.50","q":"2","T":1795261980123456,"m":true,"M":true}}',
    b'{"stream":"ethusdt@trade","data":{"e":"trade","E":1,"s":"ETHUSDT","t":8,"p":"0.1","q":"3","T":1795261980123,"m":false,"M":true}}',
    b'{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}}',
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795261980123,"s":"BTCUSDT","U":1,"u":2,"b":[["1","2"]],"a":[]}}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"much","q":"2","T":1700000000000,"m":true,"M":true}}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"%s","q":"1.%s","T":1700000000000,"m":true,"M":true}}'
    % (NINES, ZEROS),
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.%s","q":"1","T":1700000000000,"m":true,"M":true}}'
    % ZEROS,
    *(
        b'{"stream":"x@trade","data":{"e":"trade","E":1,"s":"%s","t":7,"p":"%s","q":"%s","T":%s,"m":true,"M":true}}' % odd
        for odd in (
            (b"", b"1", b"1", b"1700000000000"),
            (b"A|B", b"1", b"1", b"1700000000000"),
            (b"A\\u0000", b"1", b"1", b"1700000000000"),
            (b"A", b"-1", b"1", b"1700000000000"),
            (b"A", b"1", b"0", b"1700000000000"),
            (b"A", b"1", b"1", b"1"),
            (b"A", b"1", b"1", b"253402300799999"),
        )
    ),
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1795261980123,"s":"BTCUSDT","U":1,"u":2,"b":[["1","-2"]],"a":[]}}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCU',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT"}}',
    b'{"result":null,"id":1}',
    TWO_TRADES,
    b'{"channel":"trade","type":"snapshot","data":[]}',
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":1.5,"qty":2,"trade_id":1,"timestamp":"never"}]}',
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1.5,"qty":2}],"asks":[],"checksum":1}]}',
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1.%s,"qty":2}],"asks":[],"checksum":1}]}' % ZEROS,
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1,"qty":%s}],"asks":[],"checksum":1}]}' % NINES,
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":1.5,"bid_qty":2,"ask":1.6,"ask_qty":null}]}',
    SCALES,
    b'{"channel":"heartbeat"}',
    b'{"topic":"tickers.X","type":"snapshot","data":{"symbol":"X","markPrice":"100","indexPrice":"50","fundingRate":"0.1"},"ts":1795261980001}',
    b'{"topic":"tickers.X","type":"delta","data":{"symbol":"X","markPrice":"101"},"ts":1795261980002}',
    b'{"topic":"tickers.X","type":"delta","data":{"symbol":"X","indexPrice":"51"},"ts":1795261980003}',
    b'{"topic":"tickers.X","type":"delta","data":{"symbol":"X","markPrice":"much"},"ts":1795261980004}',
    b'{"topic":"publicTrade.X","type":"snapshot","ts":1795261980005,"data":[{"T":1795261980005,"s":"X","S":"Buy","v":"1","p":"1.5","i":"7","BT":false}]}',
    b'{"topic":"publicTrade.X","type":"snapshot","ts":1795261980005,"data":[{"T":1795261980005,"s":"X","S":"Buy","v":"1","p":"much","i":"7","BT":false}]}',
)
RECEIVED_AT = 1_795_261_985_000_000
FRAMES = st.lists(
    st.builds(
        Frame,
        venue=st.sampled_from(VENUES),
        origin=st.sampled_from(("live", "simulated")),
        connection_id=st.sampled_from(("a", "b")),
        connection_sequence=st.integers(1, 9),
        received_at=st.integers(RECEIVED_AT, RECEIVED_AT + 2**20),
        kind=st.sampled_from(("message", "message", "message", "notice", "reply")),
        request=st.none(),
        payload=st.sampled_from(PAYLOADS),
    ),
    max_size=12,
)
Told = list[tuple[str, Any]]


def told(made: Iterable[NormalisedEvent | RefusedFrame | Block]) -> Told:
    """Return events and refusals in a form that can be compared; a block as the events in it, or as what is wrong with each."""
    found: Told = []
    for one in made:
        if isinstance(one, Block):
            for offset, part in one.parts():
                try:
                    columns = part.columns()
                except ValueError as error:
                    found.append(("refused", RefusedFrame(offset, str(error), part.venue)))
                else:
                    found += [
                        (one.shape.event, {name: value[row] if isinstance(value, list) else value for name, value in columns.items()})
                        for row in range(len(part.rows))
                    ]
        elif isinstance(one, RefusedFrame):
            found.append(("refused", one))
        else:
            found.append((one.name, one.record))
    return found


def by_name(events: Told) -> dict[str, list[Any]]:
    """Return the events of each name in order; refusals by offset."""
    found: dict[str, list[Any]] = {}
    for name, one in events:
        found.setdefault(name, []).append(one)
    found.get("refused", []).sort(key=lambda one: one.offset)
    return found


def columns_of(frames: Sequence[Frame]) -> list[list[Any]]:
    """Return frames as the columns that a block is read from."""
    return [list(column) for column in zip(*(frame[:8] for frame in frames), strict=True)] or [[] for _ in range(8)]


@given(FRAMES, st.integers(0, 3))
@examples(300)
def test_a_block_is_its_frames(frames: list[Frame], applied: int) -> None:
    """Same events in the same order per name, same refusals, same memory, whatever the frames and what was applied before."""
    one_by_one, at_once = Normaliser(all_dialects()), Normaliser(all_dialects())
    one_by_one.applied = at_once.applied = applied

    expected = told(one_by_one.apply(enumerate(frames)))
    found = told(at_once.apply_block(range(len(frames)), columns_of(frames)))

    assert by_name(expected) == by_name(found)
    assert at_once.connections == one_by_one.connections
    assert at_once.applied == one_by_one.applied


def test_a_number_of_any_length_is_no_fault_of_ours() -> None:
    """A block with a number that fits no event is refused with the reason, as its frame alone is; one that fits is read."""
    for payload, refused in ((PAYLOADS[5], True), (PAYLOADS[6], False)):
        frame = Frame("binance", "live", "a", 1, 1_700_000_000_000_000, "message", None, payload)
        (alone,) = Normaliser(all_dialects()).apply([(0, frame)])
        (block,) = Normaliser(all_dialects()).apply_block([0], [[value] for value in frame])
        assert isinstance(alone, RefusedFrame) == refused
        assert isinstance(block, Block)
        if isinstance(alone, RefusedFrame):
            assert alone.fault is None
            with pytest.raises(InvalidDatum) as error:
                block.columns()
            assert str(error.value) == alone.reason
        else:
            assert block.columns()["price"] == [encode("1")]
