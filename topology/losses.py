"""Records of a topic that are gone or damaged before a stage had read them, as a gap event. Pure."""

from typing import Final, Literal

from schemas.catalogue import event
from schemas.events import Gap

CHANNEL: Final = "topic"
REASONS: Final[dict[str, str]] = {
    "retention": "the broker deleted these records before they were read: retention.ms (retention_days of the event's schema) is too short",
    "topic_reset": "the topic was truncated or made anew: what it held from this offset on is gone, and it is read again from its start",
    "corrupt": (
        "{topic}[{partition}], offsets {first} to {last}: the broker's disk gives these records back damaged, each time they are "
        "fetched. See to that disk (its file system and SMART; where there are replicas, move the partition to another broker)"
    ),
}

Cause = Literal["retention", "topic_reset", "corrupt"]


def loss_gap(topic: str, partition: int, first: int, end: int, cause: Cause, stage: str, now: int) -> Gap:
    """Return the gap of offsets `first` to `end` (exclusive) of a partition that a stage was owed and nobody can give back.

    After a reset `end` is `first`: how much there was is unknown, and no sequence is named. The same loss told twice is the same gap, by
    its id. `now` in microseconds. `venue` is that of a raw topic, else empty. `origin` is always live: what is lost is
    a record of ours, and that is no simulation, whatever the record spoke of.
    """
    return Gap(
        venue=venue_of(topic),
        symbol="",
        origin="live",
        gap_id=f"{stage}|{topic}|{partition}|{first}|{end}|{cause}",
        channel=CHANNEL,
        from_sequence=first if end > first else None,
        to_sequence=end - 1 if end > first else None,
        from_time=None,
        to_time=None,
        cause=cause,
        detected_at=now,
        state="unfillable",
        repair=REASONS[cause].format(topic=topic, partition=partition, first=first, last=end - 1),
        connection_id=None,
        version=now,
    )


def venue_of(topic: str) -> str:
    """Return the venue of a raw topic's name, empty for every other topic."""
    head = event("frame").topic.of("")
    return topic[len(head) :] if topic.startswith(head) else ""
