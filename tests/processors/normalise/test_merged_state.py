"""What a dialect merges of changes is told only while no frame of its connection is missed, and nobody is told two things of one frame."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from dialects.catalogue import all_dialects
from dialects.connections import PassingMemory
from dialects.contract import Frame
from dialects.memory import MERGED, Memory
from dialects.normaliser import NormalisedEvent, Normaliser, RefusedFrame
from schemas.decimals import encode
from tests.examples import examples
from tests.processors.normalise.test_block import by_name, columns_of, told

VENUE = "bybit_linear"
NAMES = {"markPrice": "mark_price", "indexPrice": "index_price"}
MUCH = {"fundingRate": "much"}
"""What no ticker can say: the frame is refused."""
TRADE = (
    b'{"topic":"publicTrade.X","type":"snapshot","ts":1790000000000,"data":[{"T":1790000000000,"s":"X","S":"Buy","v":"1","p":"%b",'
    b'"i":"7","BT":false}]}'
)
ANSWER = b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"1","op":"subscribe"}'
SCALES = (
    b'{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online",'
    b'"price_precision":%d,"qty_precision":8,"price_increment":%b}]}}'
)
BOOK = b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":1.5,"qty":2}],"asks":[],"checksum":1}]}'
STATUS = "GET /v5/system/status"


def frame(number: int, payload: bytes, venue: str = VENUE, kind: str = "message", request: str | None = None) -> Frame:
    """Return a frame of the one connection."""
    return Frame(venue, "live", "c", number, 1_790_000_000_000_000 + number, kind, request, payload)


def ticker(number: int, kind: str, symbol: str = "X", **said: str) -> Frame:
    """Return a frame of a ticker: its number on the connection, `snapshot` or `delta`, and what it says."""
    data = {"symbol": symbol} | said
    return frame(number, orjson.dumps({"topic": f"tickers.{symbol}", "type": kind, "data": data, "ts": 1_790_000_000_000 + number}))


def prices(found: Sequence[NormalisedEvent | RefusedFrame], symbol: str = "X") -> list[tuple[int, bytes | None, bytes | None]]:
    """Return the frame, mark and index of each mark price of a symbol."""
    records = [one.record for one in found if isinstance(one, NormalisedEvent) and one.name == "mark_price"]
    return [(one["connection_sequence"], one["mark_price"], one["index_price"]) for one in records if one["symbol"] == symbol]


def read(*frames: Frame) -> list[NormalisedEvent | RefusedFrame]:
    """Return what is made of frames, which is the same where they are read as a block."""
    found = list(Normaliser(all_dialects()).apply(enumerate(frames)))
    at_once = Normaliser(all_dialects()).apply_block(range(len(frames)), columns_of(frames))
    assert by_name(told(at_once)) == by_name(told(found))
    return found


SNAPSHOT = ticker(1, "snapshot", markPrice="100", indexPrice="50")
TOLD = (1, encode("100"), encode("50"))


def test_after_a_refused_frame_its_symbol_is_not_known() -> None:
    """The mark price that was refused is not the one before it: the index that comes next is told alone, until both are said."""
    refused = ticker(2, "delta", markPrice="101", **MUCH)
    found = read(SNAPSHOT, refused, ticker(3, "delta", indexPrice="61"), ticker(4, "delta", markPrice="102"))
    assert prices(found) == [TOLD, (3, None, encode("61")), (4, encode("102"), encode("61"))]


def test_after_a_lost_frame_no_symbol_is_known() -> None:
    """Nobody knows of which symbol a frame was that never came."""
    other = ticker(2, "snapshot", "Y", markPrice="7", indexPrice="8")
    found = read(SNAPSHOT, other, ticker(4, "delta", indexPrice="61"), ticker(5, "delta", "Y", indexPrice="9"))
    assert prices(found) == [TOLD, (4, None, encode("61"))]
    assert prices(found, "Y") == [(2, encode("7"), encode("8")), (5, None, encode("9"))]


def test_a_snapshot_says_all_again() -> None:
    """After a loss a snapshot is the whole state, as the first was, and is told though its values are the old ones."""
    found = read(SNAPSHOT, ticker(3, "snapshot", markPrice="100", indexPrice="50"), ticker(4, "delta", indexPrice="61"))
    assert prices(found) == [TOLD, (3, encode("100"), encode("50")), (4, encode("100"), encode("61"))]


@pytest.mark.parametrize(
    "between",
    [
        ticker(2, "delta", "Y", markPrice="much"),
        ticker(2, "snapshot", "X-27NOV26", markPrice="much"),
        frame(2, TRADE % b"much"),
        frame(2, TRADE[:60]),
        frame(2, b'{"topic":"astrology.X","data":{}}'),
        frame(2, b"nothing", kind="reply", request=STATUS),
        frame(2, b"nothing", kind="notice"),
        frame(2, ANSWER),
        frame(2, TRADE % b"1.5"),
    ],
)
def test_a_frame_of_another_topic_leaves_it_known(between: Frame) -> None:
    """A refused frame says by its topic whose it was; replies, answers and our own notices change no ticker."""
    assert prices(read(SNAPSHOT, between, ticker(3, "delta", indexPrice="61"))) == [TOLD, (3, encode("100"), encode("61"))]


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b'{"topic":"tick', b'{"type":"delta","topic":"tickers.X","data":1}', b'{"topic":"tickers.X\\u0059"}']
)
def test_a_refused_frame_that_names_no_topic_may_have_been_of_any(payload: bytes) -> None:
    """What cannot be told apart is as a lost frame."""
    assert prices(read(SNAPSHOT, frame(2, payload), ticker(3, "delta", indexPrice="61"))) == [TOLD, (3, None, encode("61"))]


def test_a_frame_read_again_tells_no_other_values_and_changes_nothing() -> None:
    """A merged frame that comes again makes no event, and what comes after it is what would have come without it."""
    second, third = ticker(2, "delta", markPrice="101"), ticker(3, "delta", markPrice="102", indexPrice="60")
    fourth = ticker(4, "delta", indexPrice="61")
    expected = prices(read(SNAPSHOT, second, third, fourth))
    assert prices(read(SNAPSHOT, second, third, second, fourth)) == expected
    assert prices(read(SNAPSHOT, second, third, SNAPSHOT, second, third, fourth)) == expected


def test_a_refused_frame_read_again_is_refused_and_breaks_nothing() -> None:
    """What was missed by it was forgotten the first time, and has been said since."""
    refused = ticker(2, "delta", markPrice="101", **MUCH)
    third = ticker(3, "snapshot", markPrice="102", indexPrice="60")
    found = read(SNAPSHOT, refused, third, refused, ticker(4, "delta", indexPrice="61"))
    assert prices(found) == [TOLD, (3, encode("102"), encode("60")), (4, encode("102"), encode("61"))]
    assert len([one for one in found if isinstance(one, RefusedFrame)]) == 2


def test_a_frame_that_comes_again_after_its_connection_closed_tells_no_other_values() -> None:
    """A killed producer may send what it had on disk again, its end among it: the counts of a closed connection are kept for that."""
    second = ticker(2, "delta", markPrice="101")
    closed = frame(3, notices.encode("closed", reason="over"), kind="notice")
    assert prices(read(SNAPSHOT, second, closed, second, closed, second)) == prices(read(SNAPSHOT, second))


def test_a_status_read_again_is_not_told_again() -> None:
    """What a list said before it was read anew is neither told again nor remembered instead of the newer."""
    one = {"id": "1", "state": "scheduled", "title": "t", "begin": "1790000000000", "end": "1790000100000", "env": 1}

    def reply(number: int, **changes: str) -> Frame:
        body = {"retCode": 0, "result": {"list": [one | changes]}, "time": 1_790_000_000_000 + number}
        return frame(number, orjson.dumps(body), kind="reply", request=STATUS)

    first, second, third = reply(1), reply(2, state="ongoing"), reply(3, state="ongoing")
    found = read(first, second, first, third)
    assert [made.record["state"] for made in found if isinstance(made, NormalisedEvent)] == ["scheduled", "ongoing"]


def test_facts_outlive_a_loss() -> None:
    """A scale that the venue said is not merged of changes: it stands after a lost frame, and a book goes on by it."""
    found = read(frame(1, SCALES % (4, b"0.1"), "kraken"), frame(5, BOOK, "kraken"))
    assert [one.record["price_scale"] for one in found if isinstance(one, NormalisedEvent) and one.name == "book_delta"] == [4]


def test_a_book_read_again_tells_no_other_scale() -> None:
    """A book that came before its instrument has no scale; read again it would have one, so it makes nothing."""
    book = frame(1, BOOK, "kraken")
    found = read(book, frame(2, SCALES % (4, b"0.1"), "kraken"), book)
    assert [one.record["price_scale"] for one in found if isinstance(one, NormalisedEvent) and one.name == "book_delta"] == [None]


def test_a_refused_pair_keeps_its_scales() -> None:
    """Scales stand for themselves: a pair of which another value cannot be is refused, and its books go on by what it says of them."""
    found = read(
        frame(1, SCALES % (4, b"0.1"), "kraken"),
        frame(2, SCALES % (5, b"1" + b"0" * 60), "kraken"),
        frame(3, BOOK, "kraken"),
    )
    assert [type(one) for one in found] == [NormalisedEvent, RefusedFrame, NormalisedEvent]
    assert found[2].record["price_scale"] == 5  # type: ignore[union-attr]


class Sent(NamedTuple):
    """A frame that the venue sent, and what then was true of its symbol."""

    frame: Frame
    symbol: str
    truth: dict[str, bytes]


class Way(NamedTuple):
    """What is said, and how the frame fares on its way."""

    symbol: str
    whole: bool
    said: dict[str, str]
    refused: bool
    lost: bool
    again: int
    """How many of the frames that came before come once more after it."""


WAYS = st.lists(
    st.builds(
        Way,
        st.sampled_from(("X", "Y")),
        st.sampled_from((False, False, False, True)),
        st.dictionaries(st.sampled_from(sorted(NAMES)), st.sampled_from(("1", "2", "3.5")), max_size=2),
        st.sampled_from((False, False, False, True)),
        st.sampled_from((False, False, False, True)),
        st.sampled_from((0, 0, 0, 1, 3)),
    ),
    max_size=16,
)


def journey(ways: Sequence[Way]) -> tuple[list[Sent], list[Frame]]:
    """Return what the venue sent, by the number of the frame less one, and the frames that came."""
    sent: list[Sent] = []
    came: list[Frame] = []
    state: dict[str, dict[str, str]] = {}
    for number, one in enumerate(ways, 1):
        first = one.symbol not in state
        said = one.said | {"markPrice": one.said.get("markPrice", "9")} if first else one.said
        state[one.symbol] = said if one.whole or first else state[one.symbol] | said
        wrong = MUCH if one.refused else {}
        truth = {NAMES[name]: encode(value) for name, value in state[one.symbol].items()}
        sent.append(Sent(ticker(number, "snapshot" if one.whole or first else "delta", one.symbol, **said, **wrong), one.symbol, truth))
        if not one.lost:
            came.append(sent[-1].frame)
            came += came[-one.again :] if one.again else []
    return sent, came


@given(WAYS, st.lists(st.integers(0, 20), max_size=3))
@examples(300)
def test_no_value_is_told_that_the_venue_did_not_say_then(ways: list[Way], cuts: list[int]) -> None:
    """Whatever is lost, refused or comes again, each value told is the venue's at that frame, and no frame is told twice otherwise.

    The same where the normaliser starts anew in between.
    """
    sent, came = journey(ways)
    found = read(*came)
    identities: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in found:
        if isinstance(one, RefusedFrame):
            continue
        record, truth = one.record, sent[one.record["connection_sequence"] - 1].truth
        for name in NAMES.values():
            assert record[name] is None or record[name] == truth.get(name)
        assert identities.setdefault((one.name, record["connection_sequence"], record["frame_index"]), record) == record

    part, table, parts = Normaliser(all_dialects()), dict[str, bytes](), list[NormalisedEvent | RefusedFrame]()
    begin = 0
    for end in [*sorted(cut for cut in cuts if cut < len(came)), len(came)]:
        parts += part.apply((offset, came[offset]) for offset in range(begin, end))
        for name, value in part.dump().items():
            table |= {} if value is None else {name: value}
            if value is None:
                table.pop(name, None)
        part, begin = Normaliser(all_dialects(), table), end
    assert parts == found


@given(WAYS)
@examples(100)
def test_where_nothing_is_missed_all_is_told(ways: list[Way]) -> None:
    """With no frame lost or refused each change is told with all that the venue says, frames that come again or not."""
    sent, came = journey([one._replace(refused=False, lost=False) for one in ways])
    assert read(*came) == read(*(one.frame for one in sent))
    for one in read(*came):
        assert isinstance(one, NormalisedEvent)
        truth = sent[one.record["connection_sequence"] - 1].truth
        assert {name: one.record[name] for name in NAMES.values()} == dict.fromkeys(NAMES.values()) | truth


@pytest.mark.parametrize(
    "use",
    [
        lambda memory: memory["a"],
        lambda memory: "a" in memory,
        list,
        len,
        bool,
        dict,
        lambda memory: {**memory},
        lambda memory: memory | {},
        lambda memory: {} | memory,
        lambda memory: memory == {},
        lambda memory: memory.get("a"),
        lambda memory: memory.items(),
        lambda memory: memory.__setitem__("a", 2),
        lambda memory: memory.__delitem__("a"),
        lambda memory: memory.pop("a"),
        lambda memory: memory.setdefault("a", 2),
        lambda memory: memory.update(a=2),
        lambda memory: memory.clear(),
    ],
)
def test_a_reading_that_asks_a_passing_memory_is_known(use: Callable[[PassingMemory], object]) -> None:
    """However it is asked or set, it is noted, and the memory it was copied from stays as it was."""
    memory = Memory({"a": 1})
    passing = PassingMemory(memory)
    used_before = passing.used
    use(passing)
    assert (used_before, passing.used) == (False, True)
    assert memory == {"a": 1}
    assert not memory.changed


def test_undoing_goes_back_to_what_was_kept() -> None:
    """What was set anew, changed or deleted since is as it was; what was forgotten for good stays so."""
    memory = Memory({"a": 1, "b": 2, f"{MERGED}c": 3})
    memory["a"] = 5
    memory.keep()
    memory["a"], memory["d"] = 6, 7
    memory["a"], memory["d"] = 8, 9
    del memory["b"]
    memory.undo()
    assert memory == {"a": 5, "b": 2, f"{MERGED}c": 3}
    memory.forget_merged(["b", "z", f"{MERGED}z"])
    assert memory == {"a": 5, "b": 2, f"{MERGED}c": 3}
    memory.forget_merged()
    memory.undo()
    assert memory == {"a": 5, "b": 2}
