"""What is remembered from frame to frame: over a restart, per connection, bounded, and written where it changed."""

from dialects.catalogue import all_dialects
from dialects.connections import MOST_CONNECTIONS
from dialects.normaliser import Normaliser
from tests.processors.normalise.feeding import BOOK, SCALES, TRADE, closed, events, frame, kept, normaliser


def test_what_a_dialect_remembers_outlives_a_restart() -> None:
    """Kraken's scales come once, in a frame of their own: books read after a restart still have them."""
    core = normaliser()
    assert [one.name for one in events(core.apply([(0, frame(1, SCALES, venue="kraken"))]))] == ["instrument"]
    again = Normaliser(all_dialects(), kept(core))
    (book,) = events(again.apply([(1, frame(2, BOOK, venue="kraken"))]))
    assert (book.record["price_scale"], book.record["size_scale"]) == (4, 8)
    (ignorant,) = events(normaliser().apply([(1, frame(2, BOOK, venue="kraken"))]))
    assert (ignorant.record["price_scale"], ignorant.record["size_scale"]) == (None, None)


def test_the_state_is_small_and_bounded() -> None:
    """However many connections come and go, the newest are remembered, so that the state stays one small message."""
    core = normaliser()
    for number in range(3 * MOST_CONNECTIONS):
        list(core.apply([(number, frame(1, TRADE % 1, connection=f"connection-{number:04}"))]))
    assert list(core.connections) == [f"connection-{number:04}" for number in range(2 * MOST_CONNECTIONS, 3 * MOST_CONNECTIONS)]
    entries = kept(core)
    assert len(entries) == MOST_CONNECTIONS + 1
    assert sum(map(len, entries.values())) < 100 * MOST_CONNECTIONS


def test_a_connection_that_speaks_is_not_forgotten() -> None:
    """A socket that lasts a day keeps its memory however many replies to backfills come meanwhile, each on its own connection."""
    core = normaliser()
    list(core.apply([(0, frame(1, SCALES, venue="kraken", connection="socket"))]))
    for number in range(1, 2 * MOST_CONNECTIONS):
        list(core.apply([(2 * number, frame(1, TRADE % 1, connection=f"backfill-{number}"))]))
        (book,) = events(core.apply([(2 * number + 1, frame(number + 1, BOOK, venue="kraken", connection="socket"))]))
        assert book.record["price_scale"] == 4


def test_what_is_remembered_of_a_connection_ends_with_it() -> None:
    """After `closed` its counts alone are left in the state, which tell what comes again: nothing of what its dialect remembered."""
    core, table = normaliser(), dict[str, bytes]()
    list(core.apply([(0, frame(1, SCALES, venue="kraken")), (1, frame(2, BOOK, venue="kraken"))]))
    assert len(kept(core, table)) == 3
    list(core.apply([(2, frame(3, closed(), venue="kraken", kind="notice"))]))
    assert kept(core, table) == {"applied": b"2", "counts\x1fa": b"[3,0,null,0,-1]"}


def test_a_closed_connection_makes_room_first() -> None:
    """Where there is room for no more, one that is closed is forgotten before any that may still speak, however long it has been silent."""
    core = normaliser()
    list(core.apply([(0, frame(1, TRADE % 1, connection="silent"))]))
    for number in range(1, 2 * MOST_CONNECTIONS):
        name = f"short-{number}"
        end = frame(2, closed(), connection=name, kind="notice")
        list(core.apply([(2 * number, frame(1, TRADE % 1, connection=name)), (2 * number + 1, end)]))
    assert len(core.connections) == MOST_CONNECTIONS
    assert "silent" in core.connections


def test_what_a_connection_remembered_and_ended_between_two_checkpoints_is_not_written() -> None:
    """Of one that was opened, remembered something and closed since the last checkpoint the counts alone are written."""
    core = normaliser()
    list(core.apply([(0, frame(1, SCALES, venue="kraken")), (1, frame(2, closed(), venue="kraken", kind="notice"))]))
    assert kept(core) == {"applied": b"1", "counts\x1fa": b"[2,0,null,0,-1]"}


def test_a_checkpoint_writes_what_changed() -> None:
    """1,400 pairs remembered on each of 64 connections are written once; after that a second's work is a few hundred bytes."""
    pair = '{"symbol":"P%d/USD","base":"P%d","quote":"USD","status":"online","price_precision":4,"qty_precision":8}'
    pairs = ",".join(pair % (number, number) for number in range(1400))
    scales = ('{"channel":"instrument","type":"snapshot","data":{"pairs":[' + pairs + "]}}").encode()
    core, table = normaliser(), dict[str, bytes]()
    for number in range(64):
        list(core.apply([(number, frame(1, scales, venue="kraken", connection=f"socket-{number}"))]))
    assert sum(map(len, kept(core, table).values())) > 1_000_000
    list(core.apply([(64, frame(2, BOOK, venue="kraken", connection="socket-7"))]))
    written = core.dump()
    assert sum(len(value or b"") for value in written.values()) < 200
    assert len(written) == 2
