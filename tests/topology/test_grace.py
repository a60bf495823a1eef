"""A process that was asked to stop has ended within one bound: every wait ends in time, and what still hangs is told and ended."""

import subprocess
import sys

import pytest

from topology import kafka
from topology.errors import Retry
from topology.grace import Grace
from topology.kafka import Publisher
from topology.settings import Kafka

HANGING = """
import threading
from topology.grace import stopping
stopping.begin(0.5)
threading.Event().wait()
"""


def test_waits_end_before_the_process_does() -> None:
    """Nobody waits less while nobody has asked us to stop; then four fifths of the time are for waits, counted from the first asking."""
    at = [100.0]
    grace = Grace(lambda: at[0], lambda _code: None)
    assert grace.left() == grace.left(0.1) == float("inf")
    grace.begin(1_000.0)
    assert (grace.left(), grace.left(0.5)) == (800.0, 400.0)
    at[0] += 300.0
    grace.begin(1_000.0)
    assert (grace.left(), grace.left(0.5)) == (500.0, 250.0)
    at[0] += 600.0
    assert grace.left() == 0.0


def test_what_still_hangs_is_told_and_ended() -> None:
    """A process that hangs as it stops ends with code 1 by itself, and writes the setting, and what each thread waited for."""
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "did not stop within 0.5 s (stop_seconds)" in done.stderr
    assert 'File "<string>", line 5' in done.stderr


def test_a_delivery_is_waited_for_no_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush of two minutes that is under way when the process is asked to stop ends with it: Retry says what was not delivered."""
    grace = Grace(end=lambda _code: None)
    monkeypatch.setattr(kafka, "stopping", grace)
    publisher = Publisher(Kafka(brokers="127.0.0.1:1"), log_level=0)
    try:
        publisher.publish("topic", b"key", b"value")
        grace.begin(1.0)
        with pytest.raises(Retry, match=r"1 messages still wait for Kafka after \d s \(kafka\.brokers\)"):
            publisher.flush()
    finally:
        publisher.close()
