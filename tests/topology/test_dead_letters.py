"""What nobody could use is kept with its bytes, its place and the reason; where it is too much, that is said."""

import os
import uuid
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from local import Addresses
from schemas.catalogue import event
from topology.dead_letters import MOST_BYTES, MOST_REASON, WINDOW, DeadLetters, Shares
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


@pytest.mark.parametrize("short", [40_000_000, 0, -100, -200, -300, -1_000])
def test_what_is_too_large_for_a_letter_is_cut(office: Office, short: int) -> None:
    """Whatever the size of a message, its letter is delivered: whole where Kafka takes it, else its beginning, with its size and hash."""
    payload, key = os.urandom(Kafka().message_max_bytes + short), b"k" * 100
    office.letters.send("raw.binance", 3, 41, key, payload, "no sense")
    ((_, letter),) = office.arrived(1)
    assert (letter["topic"], letter["partition"], letter["offset"], letter["key"]) == ("raw.binance", 3, 41, key)
    if letter["payload"] != payload:
        assert letter["payload"] == payload[:MOST_BYTES]
        assert letter["reason"].startswith("no sense [cut: ")
        assert f"{len(payload):,} bytes, sha256 {sha256(payload).hexdigest()}" in letter["reason"]


def test_a_key_too_large_for_a_letter_is_cut(office: Office) -> None:
    """A key may be as large as a message: its beginning is kept, and the value whole where that fits."""
    office.letters.send("raw.binance", 3, 41, b"k" * Kafka().message_max_bytes, None, "x" * MOST_REASON)
    ((_, letter),) = office.arrived(1)
    assert letter["key"] == b"k" * MOST_BYTES
    assert len(letter["reason"]) == MOST_REASON
    assert "[cut: of 0 bytes" in letter["reason"]


def test_too_many_refused_are_said(office: Office) -> None:
    """Above the share of the last thousand or more, words say where to look and which setting bounds it; nothing is raised."""
    office.refuse(WINDOW // 2 + 1)
    words = office.letters.watch(WINDOW)
    assert words.startswith(f"{office.stage} refused 501 of its last {WINDOW} messages: ")
    assert "`tidewire consume dead_letters`" in words
    assert office.letters.watch(WINDOW) == ""


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


def test_each_topic_is_judged_alone(office: Office) -> None:
    """What is refused of one topic is said of that one, as long as the flood lasts, and of no other; where all are full of it, of each."""
    assert office.letters.watch(10, "raw.kraken") == ""
    for _ in range(2):
        office.refuse(WINDOW)
        assert f"refused {WINDOW} of its last {WINDOW} messages of raw.binance" in office.letters.watch(WINDOW, "raw.binance")
    for offset in range(WINDOW):
        office.letters.send("raw.kraken", 0, offset, None, None, "no sense")
    assert "of its last 1010 messages of raw.kraken" in office.letters.watch(WINDOW, "raw.kraken")
    assert office.letters.watch(WINDOW, "raw.kraken") == ""


def test_a_topic_that_is_read_well_again_is_no_suspect() -> None:
    """What was refused in an earlier window is not held against a topic."""
    shares = Shares(0.5)
    assert shares.count("a", WINDOW, WINDOW) == (WINDOW, WINDOW)
    assert shares.count("a", WINDOW, 0) is None
    assert shares.count("b", WINDOW, WINDOW) == (WINDOW, WINDOW)


def test_nothing_is_judged_on_a_few_messages(office: Office) -> None:
    """Of a stage that begins with broken messages nothing is said before it has read a window of them."""
    office.refuse(600)
    assert office.letters.watch(600) == office.letters.watch(WINDOW - 601) == ""
    assert "600 of its last 1000" in office.letters.watch(1)


def test_what_kafka_never_took_is_told_apart(office: Office) -> None:
    """Messages that have no place are letters of their own each, in one microsecond too: none takes the row of another."""
    for number in range(3):
        office.letters.send_unplaced("raw.binance", b"key", b"%d" % number, "too large")
    found = [record for _, record in office.arrived(3)]
    assert [one["payload"] for one in found] == [b"0", b"1", b"2"]
    assert [one["partition"] for one in found] == [-1] * 3
    assert len({one["offset"] for one in found}) == 3
    assert all(one["offset"] < 0 for one in found)
