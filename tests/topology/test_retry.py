"""Trying again: how long, how often, who hears of it."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from topology.errors import Fatal, Retry
from topology.metrics import retries
from topology.retry import Attempts, doubling, persist, persist_async


class Time:
    """A clock that a sleep moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.now += seconds


def failing(times: int, *errors: Exception) -> Callable[[], str]:
    """Return a call that fails so often and then works; with the errors given, in turn, or Retry."""
    left = [errors[number] if number < len(errors) else Retry(f"away {number}") for number in range(times)]

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def counted(what: str) -> float:
    return float(retries.labels("test", what)._value.get())


def test_waits_double_up_to_a_bound() -> None:
    """A wait is twice the one before, up to the longest."""
    waits = doubling(1, 30)
    assert [waits() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_it_is_tried_until_it_works() -> None:
    """What works at the fourth attempt is waited for three times, each counted, and every reason is heard; at the end there is none."""
    time, said = Time(), list[str]()
    attempts = Attempts("test", "sync", say=said.append, clock=lambda: time.now)
    before = counted("sync")
    assert persist(failing(3), attempts, time.sleep) == "done"
    assert time.waits == [1, 2, 4]
    assert said == ["away 0", "away 1", "away 2", ""]
    assert counted("sync") - before == 3


def test_who_asks_for_more_time_gets_it() -> None:
    """An error that names a time (a venue's Retry-After) is waited for so long at least."""
    time = Time()
    persist(failing(2, Retry("limit", 90), Retry("limit", 0.1)), Attempts("test", "after", wait=lambda: 0.5), time.sleep)
    assert time.waits == [90, 0.5]


def test_it_is_told_once_a_minute() -> None:
    """However often it fails, one line a minute is logged, and one when it is over."""
    time = Time()
    with capture_logs() as lines:
        persist(failing(200), Attempts("test", "often", wait=lambda: 1.0, clock=lambda: time.now), time.sleep)
    assert [line["event"] for line in lines] == ["waiting"] * 4 + ["going on"]
    assert [line["attempt"] for line in lines[:4]] == [1, 61, 121, 181]


def test_who_must_stop_gets_the_reason() -> None:
    """A sleep that is ended by a wish to stop raises what was waited for."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Retry, match="away 0"):
        persist(failing(1), Attempts("test", "stop"), stop.wait)


def test_which_one_it_was_is_told_in_the_log_alone() -> None:
    """What is tried for many things is one label of the metric; the log says which of them it was."""
    with capture_logs() as lines:
        persist(failing(1), Attempts("test", "many", about="GET /depth"), Time().sleep)
    assert [(line["event"], line["what"], line["about"]) for line in lines] == [
        ("waiting", "many", "GET /depth"),
        ("going on", "many", "GET /depth"),
    ]
    assert counted("many") == 1


def test_other_errors_come_through() -> None:
    """Only Retry is tried again."""
    with pytest.raises(Fatal, match="no"):
        persist(failing(2, Retry("away"), Fatal("no")), Attempts("test", "fatal"), Time().sleep)


def test_the_same_on_an_event_loop() -> None:
    """The form for coroutines waits, counts and tells as the other does."""
    time, said = Time(), list[str]()
    call = failing(3)

    async def asked() -> str:
        return call()

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)

    assert asyncio.run(persist_async(asked, Attempts("test", "async", say=said.append), sleep)) == "done"
    assert time.waits == [1, 2, 4]
    assert said[-1] == ""


def test_who_must_stop_on_an_event_loop_gets_the_reason() -> None:
    """There too a sleep that is ended by a wish to stop raises what was waited for."""

    async def asked() -> str:
        return failing(1)()

    async def stopped(_seconds: float) -> bool:
        return True

    with pytest.raises(Retry, match="away 0"):
        asyncio.run(persist_async(asked, Attempts("test", "async stop"), stopped))
