"""What nobody could use is kept with its bytes, its place and the reason; too much of it stops the stage."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local import Addresses
from schemas.catalogue import event
from topology.dead_letters import MOST_REASON, WINDOW, DeadLetters, Shares
from topology.errors import Fatal
from topology.kafka import Publisher, consumer, failure
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import create

PATIENCE = 30.0
TOPIC = event("dead_letter").topic.of()


class Office:
    """Dead letters of a stage of one test, on the run's broker."""

    def __init__(self, addresses: Addresses) -> None:
        self.stage = f"stage-{uuid.uuid4().hex}"
        self._kafka = Kafka(brokers=addresses.kafka)
        create(self._kafka, {TOPIC: event("dead_letter")})
        self.publisher = Publisher(self._kafka)
        registry = Registry(RegistrySettings(url=addresses.registry))
        self.codec = registry.codec(TOPIC, event("dead_letter"))
        self.letters = DeadLetters(self.publisher, registry, self.stage, lambda: 1_700_000_000_000_000)

    def refuse(self, count: int, *, suspect: bool = True) -> None:
        """Refuse so many messages."""
        for offset in range(count):
            self.letters.send("raw.binance", 3, offset, b"key", b"bytes", "no sense", suspect=suspect)

    def arrived(self, count: int) -> list[Any]:
        """Return this stage's letters, as (key, record)."""
        self.publisher.flush()
        reader = consumer(self._kafka, self.stage)
        reader.subscribe([TOPIC])
        found: list[Any] = []
        try:
            while len(found) < count:
                message = reader.poll(PATIENCE)
                assert message is not None, f"{len(found)} of {count} letters came"
                assert failure(message) is None
                record = self.codec.decode(message.value() or b"")
                if record["stage"] == self.stage:
                    found.append((message.key(), record))
        finally:
            reader.close()
        return found


@pytest.fixture
def office(stack_addresses: Addresses) -> Iterator[Office]:
    """Return the dead letters of a stage that bears half of what it reads being refused."""
    made = Office(stack_addresses)
    with made.publisher:
        yield made


def test_a_letter_holds_everything_needed_to_try_again(office: Office) -> None:
    """Topic, partition, offset, key, bytes and reason are in the event, in order, keyed by the topic it came from."""
    office.letters.send("raw.binance", 3, 41, b"\xff key", b"\x00 bytes \xff", "no sense: " + "x" * MOST_REASON)
    office.letters.send("trades", 0, 0, None, None, "empty")
    found = dict(office.arrived(2))
    assert found[b"raw.binance"] == {
        "stage": office.stage,
        "topic": "raw.binance",
        "partition": 3,
        "offset": 41,
        "reason": ("no sense: " + "x" * MOST_REASON)[:MOST_REASON],
        "key": b"\xff key",
        "payload": b"\x00 bytes \xff",
        "failed_at": 1_700_000_000_000_000,
    }
    assert (found[b"trades"]["key"], found[b"trades"]["payload"]) == (None, None)


def test_too_many_refused_stop_the_stage(office: Office) -> None:
    """Above the share of the last thousand or more, the stage stops and says where to look and which setting bounds it."""
    office.refuse(WINDOW // 2 + 1)
    with pytest.raises(Fatal, match=rf"{office.stage} refused 501 of its last {WINDOW} messages: .*`tidewire consume dead_letters`"):
        office.letters.watch(WINDOW)


def test_few_refused_stop_nothing(office: Office) -> None:
    """Up to the share a stage goes on, and each window begins anew: old refusals are not held against it."""
    for _ in range(3):
        office.refuse(WINDOW // 2)
        office.letters.watch(WINDOW)


def test_what_is_well_read_and_of_no_use_stops_nothing(office: Office) -> None:
    """A backfill of trades too late for any candle is told, letter by letter, and is no sign of reading wrongly."""
    office.refuse(WINDOW, suspect=False)
    office.letters.watch(WINDOW)
    assert len(office.arrived(WINDOW)) == WINDOW


def test_one_topic_that_is_refused_does_not_stop_the_others(office: Office) -> None:
    """While another topic is read well it is only said; where that one is refused too, the stage stops."""
    assert office.letters.watch(10, "raw.kraken") == ""
    for _ in range(2):
        office.refuse(WINDOW)
        assert f"refused {WINDOW} of its last {WINDOW} messages of raw.binance" in office.letters.watch(WINDOW, "raw.binance")
    for offset in range(WINDOW):
        office.letters.send("raw.kraken", 0, offset, None, None, "no sense")
    with pytest.raises(Fatal, match=r"of its last 1010 messages of raw\.kraken"):
        office.letters.watch(WINDOW, "raw.kraken")


def test_a_topic_that_is_read_well_again_is_no_suspect() -> None:
    """What was refused in an earlier window is not held against a topic; one never read is no reason to go on."""
    shares = Shares(0.5)
    assert shares.count("a", WINDOW, WINDOW) == (WINDOW, WINDOW)
    assert shares.all_suspect()
    assert shares.count("a", WINDOW, 0) is None
    assert not shares.all_suspect()
    assert shares.count("b", WINDOW, WINDOW) == (WINDOW, WINDOW)
    assert not shares.all_suspect()


def test_nothing_is_judged_on_a_few_messages(office: Office) -> None:
    """A stage that begins with broken messages is not stopped before it has read a window of them."""
    office.refuse(600)
    office.letters.watch(600)
    office.letters.watch(WINDOW - 601)
    with pytest.raises(Fatal, match="600 of its last 1000"):
        office.letters.watch(1)
