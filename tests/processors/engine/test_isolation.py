"""What becomes of an exception in one message's work: a dead letter and a fault, or the end of the stage."""

from typing import Any

import pytest
from confluent_kafka import KafkaException

from processors.engine.isolation import Isolation, Reaction, reaction_to
from processors.engine.transport import Batch
from schemas.errors import InvalidDatum
from topology.errors import Fatal, Reject, Retry
from topology.faults import Faults

BATCH = Batch([], topic="raw.binance", partition=0, first=5, end=9, generation=1)


class Refused:
    """Writes down what is refused."""

    def __init__(self) -> None:
        self.letters: list[tuple[int, str, bool]] = []
        self.faults = Faults("isolated", lambda: 7)
        self.isolation = Isolation(self.faults, self.refuse)

    def refuse(self, _batch: Batch, offset: int, reason: str, *, suspect: bool = True) -> None:
        """Stand for `Output.refuse`."""
        self.letters.append((offset, reason, suspect))


@pytest.mark.parametrize(
    "error", [Retry("away"), Fatal("stop"), KafkaException(), ConnectionError("reset"), MemoryError(), KeyboardInterrupt()]
)
def test_what_no_message_is_to_blame_for_is_raised(error: BaseException) -> None:
    """Broker, registry, disk, memory and a wish to end stay what they are, and no letter is written."""
    refused = Refused()
    with pytest.raises(type(error)):
        refused.isolation.fault(BATCH, 5, error)
    assert refused.letters == []
    assert refused.faults.red() == []
    assert reaction_to(error) is Reaction.RAISE


@pytest.mark.parametrize("error", [KeyError("p"), TypeError("no"), RecursionError("deep"), ZeroDivisionError(), AssertionError("x")])
def test_a_bug_is_a_letter_for_each_message_and_a_fault(error: Exception) -> None:
    """Any other exception refuses the messages that met it, does not make the stage suspect itself, and turns the venue red."""
    refused = Refused()
    refused.isolation.fault(BATCH, [5, 7], error, venue="binance", event="trade")
    reason = refused.letters[0][1]
    assert type(error).__name__ in reason
    assert refused.letters == [(5, reason, False), (7, reason, False)]
    (red,) = refused.faults.red()
    assert (red["venue"], red["event"], red["count"]) == ("binance", "trade", 2)


@pytest.mark.parametrize("error", [InvalidDatum("no number"), Reject("too large")])
def test_a_wrong_message_is_refused_and_no_fault(error: Exception) -> None:
    """What is wrong with the message itself is its dead letter's reason as it is, and counts in the share of refused ones."""
    refused = Refused()
    refused.isolation.fault(BATCH, 6, error, venue="binance")
    assert refused.letters == [(6, str(error), True)]
    assert refused.faults.red() == []


def test_isolated_work_ends_where_it_fails() -> None:
    """The context manager passes a bug to `fault` and goes on behind it; what was done stays done."""
    refused = Refused()
    done: list[Any] = []
    for offset, value in ((5, 1), (6, 0), (7, 2)):
        with refused.isolation.isolated(BATCH, offset, venue="kraken", event="quote"):
            done.append(2 / value)
    assert done == [2.0, 1.0]
    assert [letter[0] for letter in refused.letters] == [6]
