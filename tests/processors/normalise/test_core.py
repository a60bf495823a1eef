"""Frames to events: what is counted as lost, what is refused, what is remembered, however the frames are cut into batches."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.connections import MOST_LOSSES
from dialects.contract import DecodedEvent, Dialect, Endpoints, Frame, Shape
from dialects.memory import Memory
from dialects.normaliser import NormalisedEvent, Normaliser, RefusedFrame
from dialects.session import Session
from dialects.stream import Stream
from tests.dialects.recorded import excerpts, read_excerpt
from tests.examples import examples
from tests.processors.normalise.feeding import BOOK, SCALES, TRADE, events, frame, kept, normaliser


def lost(core: Normaliser, frames: Sequence[Frame]) -> list[int]:
    """Return the loss that each event speaks of."""
    return [one.record["frames_lost"] for one in events(core.apply(enumerate(frames)))]


def test_a_jump_in_our_counter_is_our_loss_from_then_on() -> None:
    """Each event says how many frames of its connection were lost before it, all jumps together."""
    assert lost(normaliser(), [frame(number, TRADE % number) for number in (5, 6, 9, 10, 12)]) == [0, 0, 2, 2, 3]


def test_connections_are_counted_apart() -> None:
    """One connection's jump is no other's, and a connection may be met anywhere in its count."""
    frames = [frame(number, TRADE % number, connection=name) for number, name in ((7, "a"), (1, "b"), (9, "a"), (2, "b"), (10, "a"))]
    assert lost(normaliser(), frames) == [0, 0, 1, 0, 1]


def test_a_notice_counts_and_makes_nothing() -> None:
    """Our own remarks take a number, so that they leave no hole, and are no events."""
    frames = [frame(1, TRADE % 1), frame(2, b"not a venue's words", kind="notice"), frame(3, TRADE % 3)]
    assert lost(normaliser(), frames) == [0, 0]


def test_a_frame_that_comes_twice_is_read_twice_and_no_loss() -> None:
    """A counter that stands still or goes back is a repetition: same events, the count unmoved."""
    frames = [frame(number, TRADE % number) for number in (1, 2, 3, 2, 3, 4)]
    core = normaliser()
    found = events(core.apply(enumerate(frames)))
    assert [one.record["trade_id"] for one in found] == ["1", "2", "3", "2", "3", "4"]
    assert {one.record["frames_lost"] for one in found} == {0}


def test_a_frame_that_comes_again_says_what_was_lost_before_it() -> None:
    """Nothing of what was lost after it: a repetition says what it said, and one that was overtaken what it would have said."""
    numbers = (1, 2, 5, 6, 9, 1, 2, 5, 6, 9, 4, 8)
    assert lost(normaliser(), [frame(number, TRADE % number) for number in numbers]) == [0, 0, 2, 2, 4, 0, 0, 2, 2, 4, 0, 2]


def test_a_frame_of_which_it_is_not_known_what_was_lost_before_makes_nothing() -> None:
    """So many losses are remembered; what comes again from before them would say another number than it did."""
    core = normaliser()
    jumps = [frame(2 * number, TRADE % number) for number in range(1, MOST_LOSSES + 3)]
    assert lost(core, jumps) == list(range(MOST_LOSSES + 2))
    again = [frame(number, TRADE % number) for number in (2, 4, 6)]
    core = Normaliser(all_dialects(), kept(core))
    assert lost(core, jumps + again) == [2]


def test_offsets_applied_before_are_passed_over() -> None:
    """A batch read again after a crash makes only what was not made yet."""
    core = normaliser()
    frames = [(offset, frame(offset, TRADE % offset)) for offset in range(10, 20)]
    assert len(events(core.apply(frames[:6]))) == 6
    assert core.applied == 15
    assert [one.record["trade_id"] for one in events(core.apply(frames))] == ["16", "17", "18", "19"]
    assert list(core.apply(frames)) == []
    assert core.applied == 19


def test_an_unknown_venue_is_refused_and_the_rest_flows() -> None:
    """A frame of a venue nobody speaks is refused by its name, at its offset."""
    found = list(normaliser().apply([(3, frame(1, b"?", venue="mtgox")), (4, frame(2, TRADE % 2))]))
    assert found[0] == RefusedFrame(3, "no dialect for venue 'mtgox'", "mtgox")
    assert isinstance(found[1], NormalisedEvent)


@pytest.mark.parametrize(
    ("venue", "payload"),
    [
        ("binance", b""),
        ("binance", b'{"stream":"btcusdt@trade","data":{"e":"trade"'),
        ("binance", TRADE.replace(b'"1.5"', b'"much"') % 1),
        ("binance", b"\xff\xfe"),
        ("kraken", b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD"}]}'),
        ("kraken", b'{"channel":"astrology"}'),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_rest_flows(venue: str, payload: bytes) -> None:
    """A malformed or unknown frame is refused with a reason; the frames around it are events, and it is no loss."""
    frames = [frame(1, TRADE % 1), frame(2, payload, venue=venue), frame(3, TRADE % 3)]
    before, refused, after = normaliser().apply(enumerate(frames))
    assert isinstance(before, NormalisedEvent)
    assert isinstance(refused, RefusedFrame)
    assert refused.offset == 1
    assert refused.reason
    assert isinstance(after, NormalisedEvent)
    assert after.record["frames_lost"] == 0


def test_a_frame_is_refused_whole() -> None:
    """Where one event of a frame is impossible, none of its events is made: they would be a part passed off as the whole."""
    first = b'{"symbol":"BTC/USD","side":"buy","price":1.5,"qty":2,"trade_id":1,"timestamp":"2023-01-01T00:00:00.000000Z"}'
    payload = b'{"channel":"trade","type":"update","data":[%b,%b]}'
    good = list(normaliser().apply([(0, frame(1, payload % (first, first), venue="kraken"))]))
    assert [type(one) for one in good] == [NormalisedEvent, NormalisedEvent]
    bad = list(normaliser().apply([(0, frame(1, payload % (first, first.replace(b"2023-01-01", b"yesterday")), venue="kraken"))]))
    assert [type(one) for one in bad] == [RefusedFrame]


def test_a_message_that_was_no_frame_is_refused_by_its_reason() -> None:
    """What could not even be decoded is handed in as the error, and refused in its words."""
    assert list(normaliser().apply([(8, ValueError("not in the wire format"))])) == [RefusedFrame(8, "not in the wire format")]


def test_a_dump_is_the_whole_state() -> None:
    """What is loaded from a dump dumps the same; an empty state is one that has read nothing."""
    core = normaliser()
    list(core.apply(enumerate([frame(1, SCALES, venue="kraken"), frame(4, TRADE % 4, connection="b"), frame(9, TRADE % 9)])))
    again = Normaliser(all_dialects(), kept(core))
    assert (again.applied, again.connections) == (core.applied, core.connections)
    assert again.dump() == core.dump() == {"applied": b"2"}, "nothing has changed since"
    assert Normaliser(all_dialects(), {}).applied == Normaliser(all_dialects()).applied == -1


class Piece(NamedTuple):
    """A recorded payload as it may come again: on one of some connections, this much further in its count."""

    venue: str
    kind: str
    request: str | None
    payload: bytes
    connection: int
    step: int


RECORDED = [
    (one.frame.venue, one.frame.kind, one.frame.request, one.frame.payload)
    for venue in all_dialects()
    for path in excerpts(venue)
    for one in read_excerpt(path)[:40]
] + [
    ("kraken", "message", None, SCALES),
    ("kraken", "message", None, BOOK),
    ("mtgox", "message", None, b"?"),
    ("kraken", "notice", None, b""),
]
PIECES = st.lists(
    st.builds(
        lambda recorded, connection, step: Piece(recorded[0], recorded[1], recorded[2], recorded[3], connection, step),
        st.sampled_from(RECORDED),
        st.integers(0, 2),
        st.sampled_from((1, 1, 1, 0, 2, 5)),
    ),
    max_size=30,
)


def tape(pieces: Sequence[Piece]) -> list[tuple[int, Frame]]:
    """Return pieces as one partition's frames with their offsets."""
    counters: dict[tuple[str, int], int] = {}
    frames = []
    for offset, piece in enumerate(pieces):
        where = (piece.venue, piece.connection)
        counters[where] = counters.get(where, 0) + piece.step
        name = f"{piece.venue}-{piece.connection}"
        frames.append((offset, Frame(piece.venue, "live", name, counters[where], offset, piece.kind, piece.request, piece.payload)))
    return frames


@given(PIECES, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 5))
@examples(150)
def test_however_it_is_cut_the_events_are_the_same(pieces: list[Piece], cuts: list[int], again: int) -> None:
    """In one batch, or in several with a restart from the dump between them and some frames read again: the same events, in order."""
    frames = tape(pieces)
    whole = normaliser()
    expected = list(whole.apply(frames))

    found: list[NormalisedEvent | RefusedFrame] = []
    part, table = normaliser(), dict[str, bytes]()
    begin = 0
    for end in [*sorted(cut for cut in cuts if cut < len(frames)), len(frames)]:
        found += part.apply(frames[max(0, begin - again) : end])
        part, begin = Normaliser(all_dialects(), kept(part, table)), end

    assert found == expected
    assert (part.applied, part.connections) == (whole.applied, whole.connections)


class Faulty(Dialect):
    """A dialect whose code fails on some frames, in whatever way."""

    venue: ClassVar[str] = "binance"

    def __init__(self, error: Exception, where: str) -> None:
        self._error, self._where, self._sound = error, where, all_dialects()["binance"]

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return what the sound one does."""
        return self._sound.url(endpoints, streams)

    def session(self) -> Session:
        """Return what the sound one does."""
        return self._sound.session()

    def shape(self, payload: bytes) -> Shape | None:
        """Return a shape that fails, or fail."""
        if self._where == "shape":
            raise self._error
        found = self._sound.shape(payload)
        if found is None or self._where not in {"decode", "columns"}:
            return None
        return found._replace(decode=self._fail) if self._where == "decode" else found._replace(columns=self._fail)

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:  # noqa: ARG002 - the signature is Dialect's
        """Fail."""
        raise self._error

    def _fail(self, *_arguments: object) -> Any:
        raise self._error


@pytest.mark.parametrize("where", ["read", "shape", "decode"])
@pytest.mark.parametrize(
    "error", [KeyError("x"), AssertionError(), ZeroDivisionError(), RecursionError(), MemoryError(), OSError(5, "z"), TypeError("y")]
)
def test_a_fault_of_one_dialect_stops_no_other(error: Exception, where: str) -> None:
    """Whatever one venue's code raises, its frames are refused as our fault, and other venues' frames are events."""
    dialects = dict(all_dialects()) | {"binance": Faulty(error, where)}
    frames = [frame(1, TRADE % 1), frame(1, BOOK, venue="kraken", connection="b"), frame(2, TRADE % 2)]
    for found in (
        list(Normaliser(dialects).apply(enumerate(frames))),
        list(Normaliser(dialects).apply_block(range(3), [list(column) for column in zip(*frames, strict=True)])),
    ):
        refused = [one for one in found if isinstance(one, RefusedFrame)]
        assert [(one.offset, one.venue, str(one.fault)) for one in refused] == [(0, "binance", repr(error)), (2, "binance", repr(error))]
        assert type(error).__name__ in refused[0].reason
        assert len(found) == 3


class Counting(Faulty):
    """A venue that counts every message of a connection (Coinbase's sequence_num)."""

    counts_connection: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(AssertionError(), "")

    def connection_sequence(self, payload: bytes) -> int | None:
        """Return the number the frame has."""
        number = orjson.loads(payload).get("sequence_num")
        return number if isinstance(number, int) else None

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Fail."""
        return self._sound.read(frame, memory)


def test_a_jump_of_the_connections_own_counter_is_carried_on_every_event() -> None:
    """What the venue's counter of all messages jumps over is told on every event of the connection from then on, block or not."""
    numbers = (4, 5, 8, 8, 7, 9, 20)
    frames = [
        frame(place, (TRADE % place).replace(b'{"stream"', b'{"sequence_num":%d,"stream"' % number))
        for place, number in enumerate(numbers, 1)
    ]
    dialects = {"binance": Counting()}
    one_by_one = events(Normaliser(dialects).apply(enumerate(frames)))
    at_once = events(Normaliser(dialects).apply_block(range(7), [list(column) for column in zip(*frames, strict=True)]))
    assert [one.record["venue_lost"] for one in one_by_one] == [0, 0, 2, 2, 2, 2, 12]
    assert at_once == one_by_one


def test_what_can_be_read_of_a_frame_is_published_and_the_rest_is_refused() -> None:
    """One pair of many that cannot be: the others are events, and the frame is a dead letter with the reason, alone or in a block."""
    pair = {"base": "B", "quote": "USD", "status": "online", "price_precision": 1}
    pairs = [pair | {"symbol": "X/USD", "qty_precision": 19}, pair | {"symbol": "Y/USD", "qty_precision": 8}]
    payload = orjson.dumps({"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": pairs}})
    frame = Frame("kraken", "live", "a", 1, 1, "message", None, payload)
    alone = list(Normaliser(all_dialects()).apply([(0, frame)]))
    event, refused = alone
    assert isinstance(event, NormalisedEvent)
    assert (event.name, event.record["symbol"], event.record["frame_index"]) == ("instrument", "Y/USD", 0)
    assert isinstance(refused, RefusedFrame)
    assert (refused.reason, refused.fault) == ("kraken: X/USD: Expected `int` <= 18 - at `$.qty_precision`", None)
    assert list(Normaliser(all_dialects()).apply_block([0], [[value] for value in frame])) == alone
