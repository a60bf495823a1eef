"""Where a partition begins, given what its state was made of and what the broker says of its topic now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.bookmarks import Beginning, Bookmark, beginning, decode, encode, key_of
from processors.engine.transport import Bounds, Cause, Loss
from schemas.errors import InvalidDatum

PLACE = ("trades", 3)
EPOCH = 9


def begun(saved: Bookmark | None, topic_id: str, committed: int | None, log: range, *, entries: bool = True) -> Beginning:
    """Return where it begins, for a group that begins at the start of the log without a commit."""
    return beginning(PLACE, saved, topic_id, Bounds(committed, log.start, log.stop, log.start), EPOCH, entries=entries)


def reset(first: int) -> Loss:
    """Return the loss of everything from an offset on."""
    return Loss(*PLACE, first, first, Cause.RESET, EPOCH)


def retention(first: int, end: int) -> Loss:
    """Return the loss of a range."""
    return Loss(*PLACE, first, end, Cause.RETENTION, EPOCH)


def test_a_state_goes_on_where_it_was() -> None:
    """The same topic, and a commit that is the state's end: read on from there, nothing lost or forgotten."""
    assert begun(Bookmark("a", 70), "a", 70, range(100)) == Beginning(70, None, forget=False, unsaved=False)


def test_a_rewound_group_reads_again() -> None:
    """A commit below the state is where a rewind set it; one below the log's start then is no loss, as the state has those records."""
    assert begun(Bookmark("a", 70), "a", 0, range(100)).offset == 0
    assert begun(Bookmark("a", 70), "a", 0, range(50, 100)) == Beginning(50, None, forget=False, unsaved=False)


@pytest.mark.parametrize("committed", [None, 0, 70, 500])
@pytest.mark.parametrize("log", [range(0), range(50), range(1000)])
def test_a_topic_made_anew_is_known_by_its_id(committed: int | None, log: range) -> None:
    """However long it has become and whatever is committed, its state goes, the loss is told, and it is read from its start."""
    assert begun(Bookmark("a", 70), "b", committed, log) == Beginning(0, reset(70), forget=True, unsaved=False)


@pytest.mark.parametrize("topic_id", ["", "a"])
def test_a_log_that_ends_before_the_state_is_cut(topic_id: str) -> None:
    """A state newer than its topic goes, with or without ids."""
    assert begun(Bookmark(topic_id, 70), topic_id, 70, range(10, 69)) == Beginning(10, reset(70), forget=True, unsaved=False)


def test_a_commit_beyond_the_log_is_a_cut_too() -> None:
    """A group without bookmarks that has committed more than there is has lost that."""
    assert begun(None, "a", 70, range(69)) == Beginning(0, reset(70), forget=True, unsaved=False)
    assert begun(None, "a", 70, range(69), entries=False).loss == reset(70)


def test_retention_keeps_the_state() -> None:
    """Where the log's start has passed what was read, the range is lost, and what the state knows stays true."""
    assert begun(Bookmark("a", 70), "a", 70, range(80, 100)) == Beginning(80, retention(70, 80), forget=False, unsaved=False)
    assert begun(None, "a", 70, range(80, 100), entries=False).loss == retention(70, 80)


def test_a_state_older_than_its_commits_is_caught_up() -> None:
    """What was acknowledged and is not in the state is read again; all of it where there is no state at all."""
    assert begun(Bookmark("a", 40), "a", 70, range(100)).offset == 40
    assert begun(None, "a", 70, range(100), entries=False) == Beginning(0, None, forget=False, unsaved=False, remade=100)


def test_a_first_beginning_makes_nothing_again() -> None:
    """Without state and commits the group has read nothing; a log that was made anew neither."""
    assert not begun(None, "a", None, range(100), entries=False).remade
    assert not begun(None, "a", 500, range(100), entries=False).remade
    assert not begun(Bookmark("b", 70), "a", 70, range(100)).remade


def test_commits_may_be_gone() -> None:
    """A state whose group has no commits any more (they age) goes on at its end."""
    assert begun(Bookmark("a", 70), "a", None, range(100)).offset == 70


def test_a_state_without_bookmark_gets_one() -> None:
    """A state of a version without bookmarks is taken for this topic's where a commit says so, else nobody knows whose it is."""
    assert begun(None, "a", 70, range(100)) == Beginning(70, None, forget=False, unsaved=True)
    assert begun(None, "a", None, range(100)) == Beginning(0, None, forget=True, unsaved=False)


def test_a_void_bookmark_begins_with_nothing_and_tells_nothing_again() -> None:
    """Killed between telling a loss and writing the first new state, the next owner starts from the log's start."""
    assert begun(Bookmark("a", 70, void=True), "b", 70, range(5, 200)) == Beginning(5, None, forget=True, unsaved=False)


def test_a_partition_never_read_begins_as_its_group_does() -> None:
    """No state, no commit: the start of the log, and nothing is lost by what retention took before."""
    assert begun(None, "a", None, range(30, 40), entries=False) == Beginning(30, None, forget=False, unsaved=False)


def test_an_unknown_id_is_found_out() -> None:
    """A bookmark without an id is taken for the topic that is there, and must be written with its id."""
    assert begun(Bookmark("", 70), "a", 70, range(100)) == Beginning(70, None, forget=False, unsaved=True)
    assert begun(Bookmark("a", 70), "", 70, range(100)).loss is None


@given(
    st.none() | st.builds(Bookmark, st.sampled_from(["", "a", "b"]), st.integers(0, 50), st.booleans()),
    st.sampled_from(["", "a", "b"]),
    st.none() | st.integers(0, 60),
    st.integers(0, 50),
    st.integers(0, 50),
    st.booleans(),
)
def test_nothing_is_passed_over_in_silence(
    saved: Bookmark | None, topic_id: str, committed: int | None, start: int, length: int, entries: bool
) -> None:
    """Whatever is there: it begins inside the log; every record of it from the start on is in the kept state, read, or told as lost."""
    found = begun(saved, topic_id, committed, range(start, start + length), entries=entries)
    assert start <= found.offset <= start + length
    if found.forget or not (entries or saved):
        assert found.offset == start
        return
    held = saved.end if saved is not None else committed or 0
    assert found.offset <= max(held, start)
    if held < start:
        assert found.loss == retention(held, start)


def test_bookmarks_are_read_as_they_were_written() -> None:
    """A round trip; other bytes are InvalidDatum; and its key is no key of an entry, whatever the topic and the entry are called."""
    assert decode(encode(Bookmark("a", 7, void=True))) == Bookmark("a", 7, void=True)
    assert decode(None) is None
    with pytest.raises(InvalidDatum):
        decode(b"{}")
    assert not key_of("trades", 3).startswith(b"trades")
