"""A bug in one message's work stays with that message: it becomes a fault and a dead letter, and the stage goes on.

    try:
        ...                                    # the work on one frame, or on one symbol's events
    except Exception as error:                 # noqa: BLE001 - `fault` raises what is not this message's affair
        output.fault(batch, offset, error, venue="binance", event="trade")

or, where the cost of a context manager does not matter,

    with output.isolated(batch, offsets, venue="binance", event="book_delta"):
        ...

State that the work had half changed is the caller's to put right (drop the symbol's, begin it anew).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from confluent_kafka import KafkaException

from processors.engine.transport import Batch
from schemas.errors import InvalidDatum
from topology.errors import Fatal, Reject, Retry
from topology.faults import Faults

INFRASTRUCTURE: Final = (Retry, Fatal, KafkaException, BufferError, OSError, MemoryError)
"""What no message is to blame for: broker, registry, disk, memory. It ends the stage, which does its work again."""
REFUSALS: Final = (InvalidDatum, Reject)
"""The message's own fault: it can't be used, as its dead letter says."""


class Reaction(Enum):
    """What to do about an exception that one message's work raised."""

    RAISE = auto()
    """It is no message's affair."""
    REFUSE = auto()
    """The message is wrong."""
    FAULT = auto()
    """Our code is wrong."""


def reaction_to(error: BaseException) -> Reaction:
    """Judge an exception; pure."""
    if not isinstance(error, Exception) or isinstance(error, INFRASTRUCTURE):
        return Reaction.RAISE
    return Reaction.REFUSE if isinstance(error, REFUSALS) else Reaction.FAULT


def blameless(error: Exception) -> None:
    """Raise again what no message's work is to blame for; for use where it is caught."""
    if reaction_to(error) is Reaction.RAISE:
        raise error


class Isolation:
    """Turns exceptions into dead letters and faults, for one stage. Called by its work, on the event loop's thread."""

    def __init__(self, faults: Faults, refuse: Callable[..., None]) -> None:
        self._faults = faults
        self._refuse = refuse

    def fault(self, batch: Batch, offsets: int | Sequence[int], error: BaseException, *, venue: str = "", event: str = "") -> None:
        """Send the messages at these offsets to dead_letters with the reason, and count the fault; raises what is INFRASTRUCTURE.

        InvalidDatum and Reject are no fault of ours: those messages are refused, as `Output.refuse` does.
        """
        places = (offsets,) if isinstance(offsets, int) else offsets
        reaction = reaction_to(error)
        if reaction is Reaction.RAISE:
            raise error
        if reaction is Reaction.REFUSE:
            for offset in places:
                self._refuse(batch, offset, str(error))
            return
        reason = self._faults.tell(error, venue=venue, event=event, times=max(1, len(places)))
        for offset in places:
            # Not suspect: a venue whose every message meets a bug must not stop the others by the share of refused messages.
            self._refuse(batch, offset, reason, suspect=False)

    @contextmanager
    def isolated(self, batch: Batch, offsets: int | Sequence[int], *, venue: str = "", event: str = "") -> Iterator[None]:
        """Do the work inside; an exception of it goes to `fault`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - `fault` raises what is no message's affair
            self.fault(batch, offsets, error, venue=venue, event=event)
