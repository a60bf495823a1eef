"""The way to Kafka with sealed files: before the first data key, after kill -9, and while the Vault is away."""

from pathlib import Path

import pytest

from local.kafka import Kafka as Broker
from producers import outbox as module
from producers import sealing as keys_module
from tests.producers.outboxes import broker, frozen, in_order, leave_by_kill, message, outbox, put, size_of, stored, topic, until
from tests.producers.sealed import Switched, keyed, sealing, written
from topology.errors import Fatal

__all__ = ["broker", "topic"]
READABLE = b"x" * 200
"""What stands in every message."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a Vault that is away again at once; keep few messages in memory."""
    monkeypatch.setattr(keys_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "MOST_WAITING", 1_000)


async def test_sealed_frames_are_delivered_when_the_broker_is_back(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Messages go to disk sealed and from there to Kafka, in order, and no word of them is readable meanwhile."""
    with keyed() as keys:
        async with outbox(broker, topic, tmp_path, sealing=keys) as made:
            with frozen(broker):
                put(made, range(100))
                await until(lambda: made.spilling)
                put(made, range(100, 3000))
                assert size_of(tmp_path) > 500_000
                assert READABLE not in written(tmp_path)
            await until(lambda: not made.spilling)
    assert stored(broker, topic) == in_order(list(range(3000)))
    assert size_of(tmp_path) == 0


async def test_without_a_key_messages_stay_in_memory_up_to_the_bound(broker: Broker, topic: str, tmp_path: Path) -> None:
    """While there has been no key nothing is on disk; what passes the bound is refused; with the key the rest goes to disk."""
    wrapping = Switched(away=True)
    with sealing(wrapping) as keys:
        async with outbox(broker, topic, tmp_path, sealing=keys) as made:
            with frozen(broker):
                assert put(made, range(1_500)) == list(range(1_000))
                await until(lambda: made.unsafe_seconds() > 0.5)
                assert not made.spilling
                assert size_of(tmp_path) == 0
                wrapping.away = False
                await until(lambda: made.spilling)
                assert made.unsafe_seconds() == 0
                assert put(made, range(1_500, 2_000)) == list(range(1_500, 2_000))
                assert READABLE not in written(tmp_path)
            await until(lambda: not made.spilling)
    assert stored(broker, topic) == in_order([*range(1_000), *range(1_500, 2_000)])


async def test_without_a_key_a_producer_may_stop_at_the_bound(broker: Broker, topic: str, tmp_path: Path) -> None:
    """With `stop`, the first message beyond the memory's bound fails the outbox and names the setting."""
    with sealing(Switched(away=True)) as keys, frozen(broker):
        async with outbox(broker, topic, tmp_path, sealing=keys, when_full="stop", farewell=0.1) as made:
            put(made, range(1_001))
            with pytest.raises(Fatal, match=r"producer\.spill_sealed"):
                await made.failure


async def test_what_has_no_key_at_the_end_is_not_left_in_plain_text(broker: Broker, topic: str, tmp_path: Path) -> None:
    """A producer that stops with the broker and the Vault away leaves nothing readable: what is in memory is lost, and said."""
    with sealing(Switched(away=True)) as keys, frozen(broker):
        async with outbox(broker, topic, tmp_path, sealing=keys, farewell=0.1) as made:
            put(made, range(10))
    assert READABLE not in written(tmp_path)
    assert size_of(tmp_path) == 0


async def test_a_killed_producers_sealed_frames_come_first_and_nothing_overtakes(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Its heir starts while the Vault is away: new messages wait in memory behind the files; when it is back all come, in order."""
    await leave_by_kill(broker, topic, tmp_path, sealed=True)
    assert READABLE not in written(tmp_path)
    wrapping = Switched(away=True)
    with sealing(wrapping) as keys:
        async with outbox(broker, topic, tmp_path, sealing=keys) as made:
            assert put(made, range(5_000, 6_500)) == list(range(5_000, 6_000))
            await until(lambda: "no Vault answers" in keys.status())
            assert made.spilling
            assert made.holds(message(5_000)[0])
            await until(lambda: made.unsafe_seconds() > 0)
            wrapping.away = False
            await until(lambda: not made.spilling)
            put(made, range(6_500, 6_600))
    for key, numbers in stored(broker, topic).items():
        assert list(dict.fromkeys(numbers)) == in_order([*range(6_000), *range(6_500, 6_600)])[key]
