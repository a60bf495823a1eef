"""A fault of our own is counted, seen in the health of its venue, and told once a minute; nothing dies of it."""

import json
from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from topology.faults import KINDS_AT_MOST, RED_FOR, TELL_AFTER, FaultBook, FaultKind, Faults, reason_of
from topology.health import Health
from topology.settings import Settings

ONE = FaultKind("binance", "trade", "KeyError x.py:1")
OTHER = FaultKind("kraken", "trade", "KeyError x.py:1")


def a_bug() -> KeyError:
    """Return an exception as it is caught: with where it was raised."""
    fields: dict[str, KeyError] = {}
    try:
        return fields["price"]
    except KeyError as error:
        return error


def test_a_kind_is_told_once_a_minute_with_how_many_there_were() -> None:
    """The first is told at once, those within the minute are added to the next line, and kinds do not silence each other."""
    book = FaultBook()
    assert book.note(ONE, "why", 1) == 1
    assert [book.note(ONE, "why", at) for at in range(2, 102)] == [0] * 100
    assert book.note(OTHER, "why", 3, times=7) == 7
    assert book.note(ONE, "why", 1 + TELL_AFTER) == 101
    assert book.note(ONE, "why", 2 + TELL_AFTER) == 0


def test_a_clock_set_back_silences_nothing() -> None:
    """A fault is told where the clock stands before the last line."""
    book = FaultBook()
    assert book.note(ONE, "why", 10 * TELL_AFTER) == 1
    assert book.note(ONE, "why", TELL_AFTER) == 1


def test_a_venue_is_red_for_five_minutes() -> None:
    """A kind is in the health document with its count and last reason until five minutes have passed without it."""
    book = FaultBook()
    book.note(ONE, "first", 10)
    book.note(ONE, "second", 20)
    book.note(OTHER, "other", 30)
    assert book.red(30)[0]["venue"] == "kraken"
    assert book.red(20 + RED_FOR - 1)[1] == {"venue": "binance", "event": "trade", "count": 2, "last_at": 20, "reason": "second"}
    assert [one["venue"] for one in book.red(20 + RED_FOR)] == ["kraken"]
    assert book.red(30 + RED_FOR) == []


def test_kinds_are_bounded() -> None:
    """However many kinds there are, so many are remembered: the newest."""
    book = FaultBook()
    for number in range(KINDS_AT_MOST + 10):
        book.note(FaultKind("binance", str(number), ""), "why", number)
    found = book.red(KINDS_AT_MOST)
    assert len(found) == KINDS_AT_MOST
    assert found[-1]["event"] == "10"


def test_a_reason_names_the_error_and_our_line() -> None:
    """The reason is the traceback's last line and the innermost place in our own code, and is bounded."""
    assert reason_of(a_bug()).startswith("KeyError: 'price' (tests/topology/test_faults.py:")
    assert reason_of(a_bug()).endswith(" in a_bug)")
    assert reason_of(ValueError("x" * 10_000)) == f"ValueError: {'x' * 488}"
    assert reason_of(ValueError()) == "ValueError"


def test_a_fault_is_counted_by_stage_venue_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault counts in the metric; the log has one line of a hundred, with the traceback."""
    time = [5]
    faults = Faults("faulty", lambda: time[0])
    with structlog.testing.capture_logs() as lines:
        reasons = {faults.tell(a_bug(), venue="binance", event="trade") for _ in range(100)}
    assert len(reasons) == 1
    labels = {"stage": "faulty", "venue": "binance", "event": "trade"}
    assert REGISTRY.get_sample_value("tidewire_faults_total", labels) == 100
    (line,) = lines
    assert (line["log_level"], line["venue"], line["event_name"], line["times"]) == ("error", "binance", "trade", 1)
    assert isinstance(line["exc_info"], KeyError)


def test_health_stays_alive_and_names_the_failing_venue(tmp_path: Path) -> None:
    """The document of /health says which venue fails and why, says alive all the while, and is as before once that is over."""
    time = [5]
    faults = Faults("faulty", lambda: time[0])
    health = Health(Settings(state_dir=tmp_path), "faulty", faults=[faults])
    with health:
        assert health.document() == b'{"status":"alive"}'
        faults.tell(a_bug(), venue="binance", event="trade")
        document = json.loads(health.document())
        assert (document["status"], document["failing"]) == ("alive", ["binance"])
        assert document["faults"][0]["reason"].startswith("KeyError: 'price'")
        time[0] += RED_FOR
        assert health.document() == b'{"status":"alive"}'
