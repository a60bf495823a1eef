"""How what is carried changes: the new is heard before the old is let go, and what stays is not touched."""

import asyncio
from collections.abc import Sequence

import pytest

from dialects.stream import Stream
from producers import carrying
from producers.carrying import Carrying, Part
from tests.waiting import until

A, B, C = (Stream("trade", name) for name in "ABC")


class Spoken:
    """A source whose venue confirms when the test says so."""

    def __init__(self, streams: tuple[Stream, ...]) -> None:
        self.streams = streams
        self.waits = "not confirmed yet"
        self.closed = asyncio.Event()
        self.failed = asyncio.get_running_loop().create_future()

    def status(self) -> str:
        """Return why it is not heard."""
        return self.waits

    async def run(self) -> None:
        """Carry until it is closed, or fails."""
        closed = asyncio.ensure_future(self.closed.wait())
        await asyncio.wait((closed, self.failed), return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            self.failed.result()

    async def close(self, reason: str) -> None:
        """End."""
        assert reason
        self.closed.set()


class Working:
    """What carries streams, each by itself unless they are `together`; its sources in the order in which they were made."""

    def __init__(self, *, together: bool = True, patience: float = 60.0, most: int = 0) -> None:
        self.made: list[Spoken] = []
        self.changed = asyncio.Event()
        self.carrying = Carrying(
            lambda streams: ([tuple(streams)] if streams else []) if together else [(one,) for one in streams],
            self._source,
            lambda source: asyncio.create_task(source.run()),
            lambda error, _part: repr(error),
            asyncio.get_running_loop().time,
            patience=patience,
            most=most,
        )

    def _source(self, part: Part) -> Spoken:
        self.made.append(Spoken(part))  # type: ignore[arg-type]  # it has no polls
        return self.made[-1]

    def carry(self, *streams: Stream) -> "asyncio.Task[bool]":
        """Begin to carry exactly these."""
        return asyncio.create_task(self.carrying.carry(streams, self.changed))

    @property
    def open(self) -> list[Sequence[Stream]]:
        """What is carried now, the newest first."""
        return [source.streams for source in self.carrying.sources]


@pytest.fixture(autouse=True)
def overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both be heard for no time at all."""
    monkeypatch.setattr(carrying, "OVERLAP_SECONDS", 0.0)


async def test_the_new_is_heard_before_the_old_is_let_go() -> None:
    """Both are there until the venue has confirmed the new one."""
    work = Working()
    first = work.carry(A)
    await until(lambda: work.open == [(A,)])
    work.made[0].waits = ""
    assert await first
    second = work.carry(A, B)
    await until(lambda: work.open == [(A, B), (A,)])
    work.made[1].waits = ""
    assert await second
    assert work.open == [(A, B)]
    assert await work.carry()
    assert work.open == []
    assert not work.carrying.failure.done()


async def test_what_stays_is_not_touched() -> None:
    """A connection whose streams are the same goes on; where it is not heard itself, nothing else is let go for it."""
    work = Working(together=False)
    work.carrying.begin((A, B))
    for source in work.made:
        source.waits = ""
    changing = work.carry(B, C)
    await until(lambda: work.open == [(C,), (A,), (B,)])
    work.made[2].waits = ""
    assert await changing
    assert [source.closed.is_set() for source in work.made] == [True, False, False]


async def test_a_change_meanwhile_begins_it_again() -> None:
    """What is wanted anew is begun at once; what nobody wants by then goes with the old."""
    work = Working()
    work.carrying.begin((A,))
    work.made[0].waits = ""
    changing = work.carry(A, B)
    await until(lambda: len(work.open) == 2)
    work.changed.set()
    assert not await changing
    work.changed.clear()
    assert await work.carry(A)
    assert work.open == [(A,)]
    assert [source.closed.is_set() for source in work.made] == [False, True]


async def test_what_is_never_confirmed_holds_up_nobody_for_ever() -> None:
    """After its time a source counts as heard that is no connection, or has one: the old is let go."""
    work = Working(patience=0.0)
    work.carrying.begin((A,))
    assert await work.carry(B)
    assert work.open == [(B,)]


async def test_a_source_that_fails_is_told() -> None:
    """What ends one that nobody ended is what ends the producer; what is closed tells nothing."""
    work = Working(together=False)
    work.carrying.begin((A, B))
    work.made[1].failed.set_exception(KeyError("planted"))
    with pytest.raises(KeyError):
        await asyncio.wait_for(work.carrying.failure, 5)
    await work.carrying.close("the end")
    assert work.open == []


async def test_where_the_venue_has_no_room_for_both_the_old_goes_first() -> None:
    """A venue that allows so many connections is never asked for more: a hole, which is told as any other."""
    work = Working(most=2)
    work.carrying.begin((A,))
    work.carrying.begin((B,))
    changing = work.carry(A, B)
    await until(lambda: work.open == [(A, B)])
    work.made[2].waits = ""
    assert await changing
