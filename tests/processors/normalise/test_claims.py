"""What producers say of their events, however odd and however much: it loses no event, and what is kept of it is little and can be read."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialects import notices
from processors.normalise import published
from processors.normalise.work import WAIT_SECONDS
from schemas.errors import InvalidDatum
from tests.examples import examples
from tests.processors.normalise.raw_log import Log


def test_nothing_is_said_of_frames_to_come() -> None:
    """A claim of frames that its connection had not had by then is one of those before it alone."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    log.say("a", 1 << 62, left=[1, 1 << 62])
    log.trade("a", 2)
    log.fetch()
    assert log.made.trades == []
    log.wait(WAIT_SECONDS + 1)
    assert log.made.trades == [2]


def test_what_was_left_is_forgotten_once_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames a long connection leaves, little is kept of it, and it is followed on."""
    monkeypatch.setattr(published, "MOST_LEFT", 20)
    log, last = Log(), 0
    log.say("a", 0)
    for _ in range(50):
        bad = [log.write("a", b"no frame"), log.write("a", b"no frame")]
        log.say("a", bad[-1], left=bad)
        log.fetch()
    log.checkpoint()
    assert len(log.made.refused) == 100
    assert len(log.table["published\x1fa"]) < 30
    last = log.trade("a", 1)
    log.say("a", last)
    log.fetch()
    assert log.made.trades == []


def test_of_a_claim_that_leaves_too_much_all_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of what is left is bounded: beyond, all frames up to it are normalise's, and none of them is left out."""
    monkeypatch.setattr(published, "MOST_LEFT", 20)
    log = Log()
    log.say("a", 0)
    numbers = [log.trade("a", trade_id) for trade_id in range(40)]
    log.say("a", numbers[-1], left=numbers[:-5])
    log.say("a", log.trade("a", 1_000_000))
    log.fetch()
    assert log.made.trades == list(range(40))
    log.checkpoint()
    assert len(log.table["published\x1fa"]) < 30


@pytest.mark.parametrize("after", [2, None])
def test_what_a_lost_word_left_is_published(after: int | None) -> None:
    """A notice that is not on the log (its file was damaged while the broker was away) may have left frames: all it spoke of is published.

    Each says up to where the one before it spoke; one that does not is the next of those that are there.
    """
    log = Log()
    log.say("a", 0, after=0)
    log.trade("a", 1)
    log.trade("a", 2)
    if after is None:
        log.say("a", 3)
    log.trade("a", 3)
    log.say("a", log.trade("a", 4), left=[], after=None if after is None else 3)
    log.fetch()
    assert log.made.trades == ([] if after is None else [1, 2])
    assert log.work.holds_from is None


def test_what_a_forgotten_connection_left_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a connection that was forgotten while its frames were held, and speaks again, it is not known what it left: all is published."""
    monkeypatch.setattr(published, "MOST_CONNECTIONS", 2)
    log = Log()
    log.say("dead", 0)
    log.say("a", 0)
    log.trade("dead", 1)
    left = log.trade("a", 2)
    log.say("a", log.trade("a", 3), left=[left])
    log.say("dead", 0)
    log.say("b", 0)
    log.say("dead", 0)
    log.say("a", log.trade("a", 4))
    log.say("a", log.trade("a", 5))
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    assert {1, 2} <= set(log.made.trades)
    assert 5 not in log.made.trades


SAID: dict[str, Any] = orjson.loads(notices.encode("published"))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from([-1, 2**63, 2**64 - 1, 7]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(SAID)[1:]), ANYTHING, max_size=3), st.booleans())
@example({"left": [1e20]}, True)
@example({"count": "x"}, True)
@example({"count": None}, True)
@example({"left": 7}, True)
def test_whatever_is_said_is_read_or_refused(fields: dict[str, Any], whole: bool) -> None:
    """A notice of any form stops neither the work nor its state, leaves no event out, and where it is none it is one dead letter."""
    log = Log()
    log.say("a", 0)
    log.trade("a", 1)
    payload = orjson.dumps(SAID | fields)
    log.write("a", payload if whole else payload[:-1], "notice")
    log.trade("a", 2)
    for _ in range(2):
        log.fetch()
        log.checkpoint()
        log.restart()
    log.fetch()
    log.wait(WAIT_SECONDS + 1)
    log.checkpoint()
    assert log.made.trades[-1] == 2
    try:
        notices.decode(log.records[2].value.payload)
    except InvalidDatum:
        assert set(log.made.refused) == {2}
        assert 1 in log.made.trades
    else:
        assert log.made.refused == []


@given(st.data())
@examples(100)
def test_nothing_is_left_out_whatever_is_forgotten(data: st.DataObject) -> None:
    """Whatever must be forgotten, is lost, waited for in vain, or comes again: each event is said to be published, or made."""
    log, trade = Log(), 0
    trades: dict[str, list[tuple[int, int]]] = {name: [] for name in "abcde"}
    said = dict.fromkeys(trades, 0)
    theirs: set[int] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "MOST_CONNECTIONS", 2)
        patch.setattr(published, "MOST_LEFT", 3)
        acts = st.sampled_from(["trade", "trade", "trade", "say", "say", "fetch", "fetch", "wait", "checkpoint", "restart", "repeat"])
        for act in data.draw(st.lists(acts, max_size=80)):
            connection = data.draw(st.sampled_from(list(trades)))
            if act == "trade":
                trade += 1
                trades[connection].append((log.trade(connection, trade), trade))
            elif act == "say":
                count = max((number for number, _ in trades[connection]), default=0)
                span = [(number, one) for number, one in trades[connection] if said[connection] < number <= count]
                left = [number for number, _ in span if data.draw(st.booleans())]
                theirs.update(one for number, one in span if number not in left)
                if data.draw(st.integers(0, 4)):
                    log.say(connection, count, left=left, reason=data.draw(st.sampled_from(["", "", "over"])), after=said[connection])
                said[connection] = count
            elif act == "repeat" and log.records:
                one = data.draw(st.sampled_from(log.records))
                log.records.append(one._replace(offset=len(log.records)))
            elif act == "fetch":
                log.fetch(data.draw(st.integers(1, 20)))
            elif act == "wait":
                log.wait(data.draw(st.sampled_from([1.0, WAIT_SECONDS + 1])))
            elif act == "checkpoint":
                log.checkpoint()
            elif act == "restart":
                log.restart()
        log.fetch()
        log.wait(WAIT_SECONDS + 1)
    assert log.work.holds_from is None
    assert set(log.made.trades) | theirs == set(range(1, trade + 1))
