"""Candles from blocks of trades: exact, the same however they are read or cut, and the same again after a crash."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.builder import Builder, Built
from processors.build_candles.intervals import NAMES
from processors.build_candles.settings import Settings
from schemas.block_reader import Block
from schemas.catalogue import event
from schemas.codec import Codec
from tests.examples import examples
from tests.processors.build_candles.checkpoints import keep
from tests.processors.build_candles.tape import (
    LONG,
    SECOND,
    START,
    UNKNOWN,
    Print,
    agrees,
    block,
    blocks,
    expected,
    newest,
    read,
    tapes,
    writer_of,
)

COLUMNS = Settings(smallest=1, ids=LONG, retention=dict.fromkeys(NAMES, LONG))
ROWS = Settings(smallest=10**9, ids=LONG, retention=dict.fromkeys(NAMES, LONG))
cuts = st.lists(st.integers(1, 50), max_size=6)


def build(parts: list[Block], parameters: Settings = COLUMNS, now: int = START) -> list[dict[str, Any]]:
    builder = Builder(writer_of, parameters)
    return [candle for number, part in enumerate(parts) for candle in builder.apply(part, now + number * SECOND).candles]


def kept(candles: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the row of each final candle that stays."""
    return {key: one for key, one in newest(candles).items() if one["state"] != "provisional"}


def finals(candles: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return what each candle held when it was first final; what was known of its completeness then depends on the cut."""
    return {
        (one["venue"], one["symbol"], one["interval"], one["open_time"]): {
            name: one[name] for name in one if name not in UNKNOWN and name != "version"
        }
        for one in candles
        if one["state"] != "provisional" and one["revision"] == 0
    }


@given(tapes(), cuts)
@examples(60)
def test_columns_and_rows_give_the_same_candles(prints: list[Print], places: list[int]) -> None:
    """Reading a block as columns gives, event for event, what reading it one by one gives."""
    parts = blocks(prints, places)
    as_columns, as_rows = build(parts, COLUMNS), build(parts, ROWS)
    key = _identity
    assert sorted(as_columns, key=key) == sorted(as_rows, key=key)


@given(tapes(), cuts)
@examples(60)
def test_finals_do_not_depend_on_the_cut(prints: list[Print], places: list[int]) -> None:
    """What every first final holds, and the row of each candle that stays, is the same for one block and for many."""
    whole, cut = build([block(prints)]), build(blocks(prints, places))
    assert finals(whole) == finals(cut)
    assert kept(whole) == kept(cut)


@given(tapes())
@examples(60)
def test_candles_hold_exactly_what_was_traded(prints: list[Print]) -> None:
    """Each candle equals the one computed with Decimal from its trades, counted once, in their order in time."""
    parts = [block([one], at) for at, one in enumerate(prints)]
    assert all(agrees(candle, prints) for candle in newest(build(parts)).values())


@given(tapes(), cuts, st.data())
@examples(60)
def test_a_crash_changes_nothing(prints: list[Print], places: list[int], data: st.DataObject) -> None:
    """Restored from any prefix of a checkpoint's entries, the replay ends in the same rows, and no other first final is published."""
    parts = blocks(prints, places)
    builder, entries, published, committed = Builder(writer_of, COLUMNS), dict[str, bytes](), list[dict[str, Any]](), 0
    for number, part in enumerate(parts):
        published += builder.apply(part, START + number * SECOND).candles
        changes = builder.changes()
        crash = data.draw(st.integers(0, 3)) == 0
        keep(changes[: data.draw(st.integers(0, len(changes)))] if crash else changes, entries)
        if crash:
            builder = Builder(writer_of, COLUMNS)
            builder.restore(entries)
            for again, late in enumerate(parts[committed : number + 1]):
                published += builder.apply(late, START + (number + again) * SECOND).candles
        else:
            committed = number + 1
    whole = build([block(prints)])
    assert finals(published) == finals(whole)
    assert kept(published) == kept(whole)


def test_a_candle_is_final_when_the_watermark_passes_its_grace() -> None:
    """The trade that moves the venue's highest event time two seconds past the close makes it final; the version is of its offset."""
    prints = [Print(1, 0), Print(2, 2_999_999), Print(3, 3_000_000)]
    made = [one for one in build(blocks(prints, [1, 2])) if one["interval"] == "1s" and one["open_time"] == START]
    assert [(one["state"], one["version"]) for one in made] == [("provisional", 0), ("final", 5)]


def test_another_symbol_of_the_venue_moves_the_watermark_another_venue_does_not() -> None:
    """The watermark is the venue's: its other symbols close a candle, another venue's do not."""
    others = [Print(1, 60 * SECOND, venue="kraken", symbol="BTC/USD"), Print(9, 60 * SECOND, symbol="ETHUSDT")]
    states = [newest(build([block([Print(1, 0), other])]))["binance", "BTCUSDT", "1s", START]["state"] for other in others]
    assert states == ["provisional", "final"]


def test_each_late_trade_is_a_revision() -> None:
    """Two trades after the final make revision two, whose content holds all, and whose version is of the last one's offset."""
    prints = [Print(1, 0, "10"), Print(4, 10 * SECOND), Print(3, 500_000, "30"), Print(2, 400_000, "20")]
    candle = newest(build([block(prints)]))["binance", "BTCUSDT", "1s", START]
    assert (candle["state"], candle["revision"], candle["version"], candle["trades"], candle["last_trade_id"]) == ("revised", 2, 7, 3, "3")


def test_a_trade_after_the_retention_is_told_and_not_counted() -> None:
    """A trade three hours late is too late for the second, whose candles are kept two hours, and counts in the minute."""
    builder = Builder(writer_of, Settings())
    built = builder.apply(block([Print(1, 0), Print(3, 3 * 3600 * SECOND), Print(2, 1)]), START)
    assert [(one.offset, one.intervals) for one in built.uncounted] == [(2, ("1s",))]
    kept = newest(built.candles)
    assert kept["binance", "BTCUSDT", "1m", START - START % (60 * SECOND)]["trades"] == 2
    assert kept["binance", "BTCUSDT", "1s", START]["trades"] == 1


def test_open_candles_are_published_at_most_once_a_second() -> None:
    """Within one second of the clock an open candle is published once, and its change by the next tick."""
    builder = Builder(writer_of, ROWS)
    counts = [len(builder.apply(block([Print(number, number)], number), START + number * 100_000).candles) for number in range(5)]
    assert counts == [16, 0, 0, 0, 0]
    assert len(builder.tick(START + SECOND)) == 16
    assert builder.tick(START + 2 * SECOND) == []


def test_a_clock_that_is_set_back_delays_nothing() -> None:
    """After the clock has jumped back an hour open candles are published each second as before, and a quiet venue is closed in its time."""
    builder = Builder(writer_of, ROWS)
    builder.apply(block([Print(1, 0)]), START + 3600 * SECOND)
    counts = [len(builder.apply(block([Print(number, number)], number), START + number * SECOND).candles) for number in range(1, 5)]
    assert counts == [0, 16, 16, 16]
    assert [one["state"] for one in builder.tick(START + 30 * SECOND) if one["interval"] == "1s"] == ["final"]


def test_a_quiet_venue_is_closed_by_the_clock() -> None:
    """Ten seconds after a venue's last word, candles closed for ten seconds and the grace are final, until a trade takes it back."""
    builder = Builder(writer_of, ROWS)
    builder.apply(block([Print(1, 0)]), START)
    assert [one["state"] for one in builder.tick(START + 9 * SECOND) if one["interval"] == "1s"] == []
    made = [one for one in builder.tick(START + 13 * SECOND) if one["interval"] == "1s"]
    assert [(one["state"], one["version"]) for one in made] == [("final", 1)]
    late = builder.apply(block([Print(2, 10)], 1), START + 14 * SECOND).candles
    assert [(one["state"], one["trades"], one["version"]) for one in late if one["interval"] == "1s"] == [("provisional", 2, 2)]
    again = [one for one in builder.tick(START + 24 * SECOND) if one["interval"] == "1s"]
    assert [(one["state"], one["revision"], one["version"]) for one in again] == [("final", 0, 3)]


def test_numbers_that_begin_again_count_again() -> None:
    """A venue whose ids start over is not taken for a stream of duplicates; the old ids still are duplicates."""
    prints = [Print(1, 0), Print(2, 1), Print(1, 30 * SECOND), Print(2, 30 * SECOND + 1), Print(2, 1, after=31 * SECOND)]
    kept = newest(build([block(prints)]))
    assert kept["binance", "BTCUSDT", "1m", START - START % (60 * SECOND)]["trades"] + (
        kept["binance", "BTCUSDT", "1m", (START + 30 * SECOND) - (START + 30 * SECOND) % (60 * SECOND)]["trades"]
    ) in (4, 8)
    assert kept["binance", "BTCUSDT", "1d", START - START % (86_400 * SECOND)]["trades"] == 4


def test_products_beyond_128_bits_are_summed_exactly() -> None:
    """Prices and sizes of many digits, whose products no column holds, give the exact sum all the same."""
    prints = [Print(number, number, "9999999999999999999.999999999999999999", "1.000000000000000001") for number in range(1, 4)]
    candle = read(newest(build([block(prints)]))["binance", "BTCUSDT", "1s", START])
    assert candle["quote_volume"] == expected(prints, "binance", "BTCUSDT", "1s", START)["quote_volume"]


def test_an_absurd_clock_does_not_close_all_candles() -> None:
    """A trade dated more than five seconds after its arrival moves the watermark to its arrival and no further, and is told by venue."""
    for parameters in (COLUMNS, ROWS):
        builder = Builder(writer_of, parameters)
        built = builder.apply(block([Print(1, 0), Print(2, 60 * SECOND, after=SECOND), Print(3, 6 * SECOND, after=SECOND)]), START)
        assert builder.marks == {"binance": START + 6 * SECOND}
        assert built.skewed == {"binance": 1}
        again = builder.apply(block([Print(2, 60 * SECOND, after=9 * SECOND), Print(4, 9 * SECOND)], 3), START + SECOND)
        assert [one["trades"] for one in again.candles if one["interval"] == "1d"] == [4]


def test_a_trade_of_no_time_is_told_and_not_counted() -> None:
    """One dated before 1970, a day after its arrival or at the end of time enters no candle and moves no watermark; the others count."""
    prints = [
        Print(1, 0),
        Print(2, -START - 1, after=1),
        Print(3, 2 * 86_400 * SECOND, after=2),
        Print(4, 0, after=2**63 - 1 - START),
        Print(5, 3),
    ]
    for parameters in (COLUMNS, ROWS):
        builder = Builder(writer_of, parameters)
        built = builder.apply(block(prints), START)
        assert [one.offset for one in built.uncounted] == [1, 2, 3]
        assert builder.marks == {"binance": START + 3}
        assert {one["trades"] for one in newest(built.candles).values()} == {2}


def test_a_message_that_is_no_trade_is_told_and_the_others_count() -> None:
    """One cut datum in a block is rejected by its offset; the trades around it are counted."""
    whole = block([Print(number, number) for number in range(1, 61)])
    values = list(whole.values)
    values[30] = values[30][:-9]
    values[40] = b"\x01not avro"
    built = Builder(writer_of, Settings()).apply(Block(values, whole.offsets), START)
    assert [one.offset for one in built.rejected] == [30, 40]
    assert newest(built.candles)["binance", "BTCUSDT", "1s", START]["trades"] == 58


def test_blocks_of_two_schema_versions_are_read() -> None:
    """Messages written with an older schema, without a field that has a default, count beside the newer ones."""
    newer = event("trade")
    older = {**newer.schema, "fields": [field for field in newer.fields if field["name"] != "sequence"]}
    old = Codec(type(newer)("trade", older, newer.topic, newer.identity), 2)
    record = Codec(newer, 3).decode(Print(2, 2).message())
    del record["sequence"]
    builder = Builder({2: older, 3: newer.schema}.__getitem__, COLUMNS)
    built: Built = builder.apply(Block([Print(1, 1).message(), old.encode(record), Print(3, 3).message()], [0, 1, 2]), START)
    assert not built.rejected
    assert newest(built.candles)["binance", "BTCUSDT", "1s", START]["trades"] == 3


def _identity(one: dict[str, Any]) -> tuple[Any, ...]:
    return (one["venue"], one["symbol"], one["interval"], one["open_time"], one["version"], one["state"], one["revision"])
