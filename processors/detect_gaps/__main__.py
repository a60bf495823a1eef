"""`python -m processors.detect_gaps`: runs of frames, trades and book deltas → every gap, with its cause, and how it was closed."""

from collections.abc import Callable, Mapping

from processors.detect_gaps import STAGE
from processors.detect_gaps.frames import Venues
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.readers import BookDeltas, Ends, Reader, Shared, Trades
from processors.detect_gaps.work import DetectGaps
from processors.engine.messages import Messages
from processors.engine.stage import NewTask, main
from schemas.catalogue import event
from topology.registry import Registry
from topology.settings import Settings


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the topics of what it reads; gaps say what others have ended."""
    return tuple(event(name).topic.of() for name in STAGE.reads)


def begin_of(settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    shared = Shared(int(settings.gaps.reorder_seconds * 1_000_000), Ended(), OpenGaps())
    messages = {name: Messages(event(name), registry, bytes) for name in STAGE.reads}
    names = {event(name).topic.of(): name for name in STAGE.reads}
    readers: dict[str, Callable[[Shared, Mapping[str, bytes]], Reader]] = {
        "frame_run": Venues,
        "trade": Trades,
        "book_delta": BookDeltas,
        "gap": lambda shared, _entries: Ends(shared),
    }

    def begin(topic: str, _partition: int, entries: Mapping[str, bytes]) -> DetectGaps:
        name = names[topic]
        return DetectGaps(messages[name], readers[name](shared, entries), shared, entries)

    return begin


if __name__ == "__main__":
    main("detect_gaps", topics_of, begin_of, background=STAGE.background)
