"""Each mend of Faust's rebalancing, by a scene that goes wrong when that one mend is taken out.

Every scene runs twice: with our consumer, and with one whose method is Faust's own again (or does what Faust's does). The second
run shows that the scene tests the mend, and will fail on the day Faust no longer needs it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processors.engine.transport import Consumer, Record
from processors.engine.transport.ledger import Ledger
from processors.engine.transport.unpacking import Fetched
from tests.processors.engine.transport.broker import Broker
from tests.processors.engine.transport.running import Seen, app_at, running
from tests.waiting import until

T = TypeVar("T")

PATIENT = 20.0
"""Seconds a fetch waits that records will end: the scene happens under it, however slow the machine is."""


@pytest.fixture(autouse=True)
def _patient_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fetch wait long enough for the scenes to happen under it."""
    monkeypatch.setattr("processors.engine.transport.consumer.POLL_SECONDS", PATIENT)


class ForgetsFirst(Consumer):
    """Mend 1 taken out."""

    on_partitions_revoked = driver.Consumer.on_partitions_revoked


class LendsItsSet(Consumer):
    """Mend 2 taken out: the live set, and aiokafka's own reading of an emptied one."""

    async def fetch_of(self, active: set[TP]) -> set[TP]:
        """Fetch as Faust does."""
        return set(await self._thread.getmany(active, PATIENT))


class SeeksWhileFetching(Consumer):
    """Mend 3 taken out, first half: nothing is alone."""

    async def _alone(self, call: Callable[[], Awaitable[T]]) -> T:
        return await call()


class TrustsThePosition(Consumer):
    """Mend 3 taken out, second half: what was fetched is what is delivered."""

    async def _owed(self, part: Fetched, _ledger: Ledger) -> list[Record]:
        return part.records


class BelievesItsCommits(Consumer):
    """Mend 4 taken out."""

    _commit_offsets = driver.Consumer._commit_offsets


class OpensTooSoon(Consumer):
    """Source partitions left open between the seek and the resumption."""

    async def perform_seek(self) -> None:
        """Seek as Faust does."""
        await self._begin([tp for tp in self.assignment() if self._is_source(tp)])


class PassesOver(Consumer):
    """What was fetched and cannot be delivered is dropped, as Faust drops it."""

    async def _rewind(self, tp: TP, offset: int, move: int) -> None:
        pass


@pytest.mark.parametrize(("kind", "twice"), [(Consumer, 0), (ForgetsFirst, 10)])
async def test_what_is_acknowledged_is_committed_before_it_is_given_up(
    broker: Broker, tmp_path: Path, kind: type[Consumer], twice: int
) -> None:
    """Mend 1: a second member joins between two commits, and reads nothing again."""
    topic = broker.topic(2)
    for partition in range(2):
        broker.fill_numbers(topic, partition, range(10))
    never: dict[str, Any] = {"broker_commit_interval": 300.0, "consumer": kind}
    first = app_at(broker.address, tmp_path / "first", **never)
    second = app_at(broker.address, tmp_path / "second", group=first.conf.id, **never)
    seen, seen_second = Seen(first, topic), Seen(second, topic)
    async with running(first) as consumer:
        await until(lambda: len(seen.of(0)) == len(seen.of(1)) == 10)
        async with running(second) as joined:
            await until(lambda: len(_sources(joined)) == 1 == len(_sources(consumer)) and not first.rebalancing)
            for partition in range(2):
                broker.fill_numbers(topic, partition, [10])
            given = (seen, seen_second)
            await until(lambda: all(any(10 in one.of(part) for one in given) for part in range(2)))
    everything = sorted(number for one in given for part in range(2) for number in one.of(part))
    again = len(everything) - 22
    assert sorted(set(everything)) == list(range(11))
    assert (again == 0) is (twice == 0)


@pytest.mark.parametrize("kind", [Consumer, LendsItsSet])
async def test_a_fetch_in_flight_is_not_widened(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """Mend 2: the set of active partitions is emptied under a waiting fetch; it takes nothing from the others."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path, consumer=kind)
    Seen(app, topic)
    async with running(app) as consumer:
        one, other = TP(topic, 0), TP(topic, 1)
        await _alone(app)
        live = consumer._get_active_partitions()
        live.clear()
        live.add(one)
        if isinstance(consumer, LendsItsSet):
            fetching = asyncio.ensure_future(consumer.fetch_of(live))
        else:
            fetching = asyncio.ensure_future(_tps(consumer._thread.fetch(consumer._fetchable(), PATIENT)))
        await _waiting(consumer)
        live.clear()
        broker.fill_numbers(topic, 1, range(5))
        found = await fetching
        assert (found == set()) is (kind is Consumer)
        assert (await consumer.position(other) == 0) is (kind is Consumer)


@pytest.mark.parametrize("kind", [Consumer, SeeksWhileFetching])
async def test_a_seek_waits_for_the_fetch_in_flight(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """Mend 3: a changelog is rewound while a fetch waits; its records from there on come, all of them."""
    topic, changelog = broker.topic(1), broker.topic(1)
    broker.fill_numbers(changelog, 0, range(5))
    app = app_at(broker.address, tmp_path, consumer=kind)
    Seen(app, topic)
    # Subscribed and never acknowledged by Faust: to the consumer just what a table's changelog is.
    Seen(app, changelog)
    async with running(app) as consumer:
        await _alone(app)
        tp = TP(changelog, 0)
        app.topics.acking_topics.discard(changelog)
        app.batched_topics.discard(changelog)
        consumer._set_active_tps({tp})
        await consumer.seek_wait({tp: 5})
        given: list[int] = []
        fetching = asyncio.ensure_future(_deliver(consumer, given))
        await _waiting(consumer)
        await consumer.seek_wait({tp: 0})
        await fetching
        for _ in range(2):
            await _deliver(consumer, given)
        assert (given == list(range(5))) is (kind is Consumer)


@pytest.mark.parametrize("kind", [Consumer, TrustsThePosition])
async def test_a_position_that_moved_by_itself_is_set_right(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """Mend 3: whatever moved the position forward, the agents get what they are owed; moved back, nothing twice."""
    topic = broker.topic(1)
    app = app_at(broker.address, tmp_path, consumer=kind)
    seen = Seen(app, topic)
    async with running(app) as consumer:
        broker.fill_numbers(topic, 0, range(10))
        await until(lambda: seen.of(0)[-1:] == [9])
        await consumer._thread.move(TP(topic, 0), 15)
        broker.fill_numbers(topic, 0, range(10, 20))
        await until(lambda: seen.of(0)[-1:] == [19])
        await consumer._thread.move(TP(topic, 0), 12)
        broker.fill_numbers(topic, 0, range(20, 30))
        await until(lambda: seen.of(0)[-1:] == [29])
    assert (seen.of(0) == list(range(30))) is (kind is Consumer)


@pytest.mark.parametrize("kind", [Consumer, BelievesItsCommits])
async def test_a_failed_commit_is_not_believed(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """Mend 4: the broker refuses a commit of a generation it does not know; what we hold for committed stays."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(10))
    app = app_at(broker.address, tmp_path, consumer=kind, broker_commit_interval=300.0)
    seen = Seen(app, topic)
    async with running(app) as consumer:
        await until(lambda: len(seen.of(0)) == 10)
        coordinator = consumer._thread._consumer._coordinator
        known, coordinator.generation = coordinator.generation, coordinator.generation + 100
        assert await consumer.commit() is False
        believed = consumer._committed_offset[TP(topic, 0)]
        coordinator.generation = known
    assert (believed == 0) is (kind is Consumer)


@pytest.mark.parametrize("kind", [Consumer, OpensTooSoon])
async def test_nothing_is_delivered_between_the_seek_and_the_resumption(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """Recovery empties the agents' queues after its seek: a batch in them by then would be lost, and commits stuck."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, [0])
    # Faust's leader topic is another partition, which is fetched meanwhile.
    app = app_at(broker.address, tmp_path, consumer=kind, topic_disable_leader=False)
    seen = Seen(app, topic, agent=True)
    seen.gate.clear()
    async with running(app) as consumer:
        await until(lambda: seen.waiting)
        await consumer.commit_and_end_transactions()
        # The rest of `Recovery.on_recovery_completed`, with a record that comes in the middle of it.
        await consumer.perform_seek()
        broker.fill_numbers(topic, 0, [1])
        await _fetches(consumer, 3)
        app.flow_control.resume()
        consumer.resume_flow()
        seen.gate.set()
        broker.fill_numbers(topic, 0, [2])
        await until(lambda: seen.of(0)[-1:] == [2])
    assert (seen.of(0) == [0, 1, 2]) is (kind is Consumer)


@pytest.mark.parametrize("kind", [Consumer, PassesOver])
async def test_what_is_fetched_and_not_delivered_is_rewound(broker: Broker, tmp_path: Path, kind: type[Consumer]) -> None:
    """A changelog is paused while a fetch of it is under way; resumed, it goes on where it was."""
    topic, changelog = broker.topic(1), broker.topic(1)
    app = app_at(broker.address, tmp_path, consumer=kind)
    Seen(app, topic)
    Seen(app, changelog)
    async with running(app) as consumer:
        await _alone(app)
        tp = TP(changelog, 0)
        app.topics.acking_topics.discard(changelog)
        app.batched_topics.discard(changelog)
        consumer._set_active_tps({tp})
        given: list[int] = []
        fetching = asyncio.ensure_future(_deliver(consumer, given, PATIENT))
        await _waiting(consumer)
        consumer.pause_partitions({tp})
        broker.fill_numbers(changelog, 0, range(5))
        await fetching
        consumer.resume_partitions({tp})
        for _ in range(2):
            await _deliver(consumer, given)
        assert (given == list(range(5))) is (kind is Consumer)


async def _alone(app: Any) -> None:
    """Stop Faust's fetcher and wait for its fetch in flight, so that the scene's own fetch is the only one."""
    await app._stop_fetcher()
    async with app.consumer._moving:
        pass
    await until(lambda: not app.consumer._thread._consumer._fetcher._fetch_waiters)


async def _waiting(consumer: Any) -> None:
    """Wait until a fetch waits for records in the consumer's thread."""
    await until(lambda: consumer._thread._consumer._fetcher._fetch_waiters)


def _sources(consumer: Any) -> set[TP]:
    return {tp for tp in consumer.assignment() if consumer._is_source(tp)}


async def _tps(fetch: Awaitable[Iterable[Fetched]]) -> set[TP]:
    return {part.tp for part in await fetch}


async def _deliver(consumer: Any, given: list[int], patience: float = 1.0) -> None:
    async for _, message in consumer.getmany(patience):
        given.append(int(message.value))


async def _fetches(consumer: Any, count: int) -> None:
    thread, fetch, done = consumer._thread, consumer._thread.fetch, 0

    async def counted(active: frozenset[TP], timeout: float) -> list[Fetched]:
        nonlocal done
        found: list[Fetched] = await fetch(active, timeout)
        done += 1
        return found

    thread.fetch = counted
    try:
        await until(lambda: done >= count)
    finally:
        thread.fetch = fetch
