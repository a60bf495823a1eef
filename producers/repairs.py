"""What can be done about a gap, by its channel and its cause. Pure: every gap that is open has an answer, and one that ends it."""

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

from dialects.contract import Dialect
from dialects.stream import Stream
from schemas.events import Gap


class Fetch(NamedTuple):
    """Ask the venue for the trades from `first` to `last`, both inclusive."""

    first: int
    last: int


class Resync(NamedTuple):
    """Begin a book anew."""

    stream: Stream


class End(NamedTuple):
    """Nothing can be done: say so."""

    state: Literal["unfillable", "closed"]
    reason: str
    is_final: bool = True
    """False where somebody else may still know better: what they say then stays the newest."""


class Leave(NamedTuple):
    """It is over, or others end it: nothing is to be said."""


Repair = Fetch | Resync | End | Leave

FRAME = "a frame that was lost cannot be had again; what it held is told by the gaps of its streams"
TOPIC = "records that a topic has lost cannot be had from a venue"
NOT_FOLLOWED = "this stream is followed no longer"
NO_SEQUENCE = "it has no sequence to ask for"
FORGOTTEN = "the connection that told the silence is gone, and the next has not found it so"
BOOK_GONE = "its connection is gone, and the book with it; the next connection begins it with a snapshot"


class Situation(NamedTuple):
    """What is known when a gap is looked at."""

    followed: Collection[Stream]
    """The streams that are carried, or would be if the venue could be reached."""
    is_open: Callable[[str | None, Stream], bool]
    """Whether a connection is open that carries a stream: that of an id, or any where the id is None."""
    is_silent: Callable[[Stream, int | None], bool]
    """Whether a stream is silent since a time (microseconds), as some connection has told and none has ended."""


def repair(gap: Gap, dialect: Dialect, situation: Situation) -> Repair:
    """Return what to do about an open gap of the dialect's venue."""
    stream = Stream(gap["channel"], gap["symbol"])
    if gap["channel"] == "topic":
        return End("unfillable", TOPIC)
    if gap["channel"] == "frame":
        return End("unfillable", FRAME)
    if gap["channel"] not in dialect.channels:
        return End("unfillable", f"{dialect.venue} has no channel {gap['channel']}")
    if gap["cause"] == "silence":
        return _of_silence(gap, stream, situation)
    if gap["channel"] == "trade":
        return _of_trades(gap, dialect)
    if gap["channel"] == "book":
        return _of_book(gap, stream, dialect, situation)
    return End("unfillable", f"{dialect.venue} does not send again what {gap['channel']} missed")


def _of_silence(gap: Gap, stream: Stream, situation: Situation) -> Repair:
    if stream not in situation.followed:
        return End("closed", NOT_FOLLOWED, is_final=False)
    if situation.is_silent(stream, gap["from_time"]):
        return Leave()  # the first word of the stream ends it, on whichever connection
    return End("closed", FORGOTTEN, is_final=False)


def _of_trades(gap: Gap, dialect: Dialect) -> Repair:
    if not dialect.resumable_trades:
        return End("unfillable", f"{dialect.venue} gives no trades by sequence")
    if gap["from_sequence"] is None or gap["to_sequence"] is None:
        return End("unfillable", NO_SEQUENCE)
    return Fetch(gap["from_sequence"], gap["to_sequence"])


def _of_book(gap: Gap, stream: Stream, dialect: Dialect, situation: Situation) -> Repair:
    if stream not in situation.followed:
        return End("closed", NOT_FOLLOWED, is_final=False)
    # A book of update ids goes on from one connection to the next, and so does its gap; any other dies with its connection.
    goes_on = dialect.channels[stream.channel].snapshot == "rest"
    if situation.is_open(None if goes_on else gap["connection_id"], stream):
        return Resync(stream)
    return End("closed", BOOK_GONE, is_final=False)
