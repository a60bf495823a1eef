"""`python -m processors.detect_gaps`: frames, trades and book deltas → every gap, with its cause, and how it was closed."""

from collections.abc import Mapping

from dialects.catalogue import all_dialects
from processors.detect_gaps import STAGE
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.readers import BookDeltas, Ends, Frames, Reader, Shared, Trades
from processors.detect_gaps.work import DetectGaps
from processors.engine.messages import Messages
from processors.engine.stage import NewTask, main
from schemas.catalogue import event
from topology.registry import Registry
from topology.settings import Settings


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the raw topics of every dialect, trades, book deltas, and gaps, which say what others have ended."""
    raw = tuple(event("frame").topic.of(venue) for venue in all_dialects())
    return (*raw, *(event(name).topic.of() for name in ("trade", "book_delta", "gap")))


def begin_of(settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    shared = Shared(int(settings.gaps.reorder_seconds * 1_000_000), Ended(), OpenGaps())
    messages = {name: Messages(event(name), registry, bytes) for name in ("frame", "trade", "book_delta", "gap")}
    topics = {event(name).topic.of(): name for name in ("trade", "book_delta", "gap")}

    def reader_of(name: str, entries: Mapping[str, bytes]) -> Reader:
        if name == "gap":
            return Ends(shared)
        return (
            Trades(shared, entries) if name == "trade" else BookDeltas(shared, entries) if name == "book_delta" else Frames(shared, entries)
        )

    def begin(topic: str, _partition: int, entries: Mapping[str, bytes]) -> DetectGaps:
        name = topics.get(topic, "frame")
        return DetectGaps(messages[name], reader_of(name, entries), shared, entries)

    return begin


if __name__ == "__main__":
    main("detect_gaps", topics_of, begin_of, background=STAGE.background)
