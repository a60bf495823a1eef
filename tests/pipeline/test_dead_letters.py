"""What nobody can use is in dead_letters, with its bytes, where it was and why; everything around it flows."""

from functools import partial

import pytest

from tests.pipeline.harness import Pipeline
from tests.pipeline.raw import Place, Raw, binance_trade, frame

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = 1_700_000_000_000_000
CONNECTION = "binance-dead-letters"
UNKNOWN_ID = 2_000_000_000


def letters(pipeline: Pipeline, place: Place) -> dict[str, tuple[str, bytes]]:
    """Return reason and bytes of a message's dead letters, by the stage that refused it."""
    where = f"topic = '{place.topic}' AND partition = {place.partition} AND offset = {place.offset}"
    rows = pipeline.query(f"SELECT stage, reason, hex(payload) FROM dead_letters FINAL WHERE {where}")
    return {stage: (reason, bytes.fromhex(payload)) for stage, reason, payload in rows}


def refused_by(pipeline: Pipeline, place: Place, stages: set[str]) -> bool:
    """Whether exactly these stages refused a message."""
    return set(letters(pipeline, place)) == stages


def trades(pipeline: Pipeline, symbol: str) -> list[int]:
    """Return the ids of a symbol's trades."""
    rows = pipeline.query(f"SELECT sequence FROM trades FINAL WHERE venue = 'binance' AND symbol = '{symbol}' ORDER BY sequence")
    return [number for (number,) in rows]


async def test_frames_nobody_can_read(fed_by_hand: Pipeline) -> None:
    """A malformed frame and a message of an unknown type are refused by the normaliser, verbatim; the trades around them are read."""
    raw = Raw(fed_by_hand)
    good = [binance_trade("LETTERS", number, "1.5", "2", TIME + number) for number in range(1, 4)]
    bad = [good[1][: len(good[1]) // 2], '{"stream":"letters@novelty","data":{"e":"novelty","s":"LETTERS"}}', "\x00not json"]
    texts = [good[0], bad[0], good[1], bad[1], bad[2], good[2]]
    frames = [frame("binance", CONNECTION, place, text, TIME + place) for place, text in enumerate(texts, 1)]
    values = [raw.encode("frame", "raw.binance", {k: v for k, v in one._asdict().items() if k != "frames_lost"}) for one in frames]
    places = raw.send(("raw.binance", CONNECTION.encode(), value) for value in values)

    await fed_by_hand.until(lambda: trades(fed_by_hand, "LETTERS") == [1, 2, 3], "the good trades are in ClickHouse")
    for number in (1, 3, 4):
        found = await fed_by_hand.until(partial(letters, fed_by_hand, places[number]), f"{texts[number]!r} is a dead letter")
        assert set(found) == {"normalise"}
        reason, payload = found["normalise"]
        assert payload == values[number]
        assert payload.endswith(texts[number].encode())
        assert reason.startswith("binance: ")
    assert "unknown message type 'novelty'" in letters(fed_by_hand, places[3])["normalise"][0]


async def test_a_datum_of_an_unknown_schema(fed_by_hand: Pipeline) -> None:
    """Whoever reads it refuses it, with the id: every reader of the raw topic, and every reader of trades; none of them stops."""
    raw = Raw(fed_by_hand)
    strange = b"\0" + UNKNOWN_ID.to_bytes(4, "big") + b"\x02\x04\x06"
    record = frame("binance", f"{CONNECTION}-2", 1, binance_trade("AFTER", 9, "1", "1", TIME), TIME)
    (in_raw,) = raw.send([("raw.binance", CONNECTION.encode(), strange)])
    (in_trades,) = raw.send([("trades", b"binance|AFTER", strange)])
    raw.frames([record])

    readers = {in_raw: {"normalise", "clickhouse"}, in_trades: {"build_candles", "detect_gaps", "clickhouse"}}
    for place, stages in readers.items():
        await fed_by_hand.until(partial(refused_by, fed_by_hand, place, stages), f"{place} is refused by all")
        for stage, (reason, payload) in letters(fed_by_hand, place).items():
            assert payload == strange, stage
            assert str(UNKNOWN_ID) in reason, stage
    await fed_by_hand.until(lambda: trades(fed_by_hand, "AFTER") == [9], "what came after is read")


async def test_a_row_that_clickhouse_refuses(fed_by_hand: Pipeline) -> None:
    """A row against a rule of the table is a dead letter with ClickHouse's reason; its neighbours are in, the rule stays."""
    fed_by_hand.command("ALTER TABLE tidewire.trades ADD CONSTRAINT modest CHECK price < 1000000")
    try:
        prices = ("1", "1000000", "999999")
        frames = [
            frame("binance", f"{CONNECTION}-3", place, binance_trade("RULED", place, price, "1", TIME + place), TIME + place)
            for place, price in enumerate(prices, 1)
        ]
        Raw(fed_by_hand).frames(frames)
        await fed_by_hand.until(lambda: trades(fed_by_hand, "RULED") == [1, 3], "the rows within the rule are in")

        def refused() -> list[tuple[str, str, str]]:
            rows = fed_by_hand.query(
                "SELECT stage, topic, reason, hex(payload) FROM dead_letters FINAL WHERE reason LIKE '%modest%' AND topic = 'trades'"
            )
            return [(stage, reason, payload) for stage, _, reason, payload in rows]

        ((stage, reason, payload),) = await fed_by_hand.until(refused, "the row against it is a dead letter")
        assert stage == "clickhouse"
        assert "VIOLATED_CONSTRAINT" in reason or "modest" in reason
        assert b"RULED" in bytes.fromhex(payload)
    finally:
        fed_by_hand.command("ALTER TABLE tidewire.trades DROP CONSTRAINT modest")
