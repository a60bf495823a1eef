"""Deltas that a book cannot apply yet: they wait for a snapshot, for one that is late, or for the next to say what they are. Bounded."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from dialects.continuity import Kind, Rule, Step
from schemas.events import BookDelta

MOST_WEIGHT = 150_000
"""Of all of them, in levels (see contents.MOST_LEVELS): minutes of a feed of 100 milliseconds. Of more, the oldest go, and the snapshot
must be newer."""
OWN_WEIGHT = 16
"""What a delta takes of a checkpoint beside its levels, in levels."""


class Pending:
    """The deltas of one book that wait, in the order of arrival."""

    __slots__ = ("_weight", "deltas")

    def __init__(self, deltas: list[dict[str, Any]] | None = None) -> None:
        self.deltas = deltas or []
        self._weight = sum(map(_weight_of, self.deltas))

    def __len__(self) -> int:
        return len(self.deltas)

    def __iter__(self) -> Iterator[BookDelta]:
        return iter(cast("list[BookDelta]", self.deltas))

    def add(self, delta: BookDelta) -> None:
        """Keep a delta; one that alone is too heavy is not kept."""
        self.deltas.append(dict(delta))
        self._weight += _weight_of(self.deltas[-1])
        while self._weight > MOST_WEIGHT:
            self._weight -= _weight_of(self.deltas.pop(0))

    def keep(self, which: Callable[[BookDelta], bool]) -> None:
        """Drop all others."""
        self.deltas = [delta for delta in self.deltas if which(cast("BookDelta", delta))]
        self._weight = sum(map(_weight_of, self.deltas))

    def dump(self) -> list[dict[str, Any]]:
        """Return the deltas."""
        return self.deltas


def step_of(delta: BookDelta) -> Step:
    """Return what a delta says of continuity."""
    return Step(
        delta["first_sequence"],
        delta["last_sequence"],
        delta["connection_id"],
        delta["received_at"],
        delta["event_time"],
        delta["frames_lost"],
        delta["venue_lost"],
        delta["previous_sequence"],
        delta["is_snapshot"],
    )


def applied_in_order(rule: Rule, waiting: list[tuple[Step, BookDelta]], take: Callable[[Step, BookDelta], bool]) -> list[BookDelta]:
    """Offer deltas in the order in which they go on from each other; return those that `take` did not.

    Ranges are offered by their first id. Links are followed from one to the next: the first is whichever `take` takes.
    """
    if rule.kind is not Kind.LINKED:
        waiting.sort(key=lambda one: (one[0].last if one[0].first is None else one[0].first) or 0)
        return [delta for step, delta in waiting if not take(step, delta)]
    following: dict[int | None, list[int]] = {}
    for place, (step, _) in enumerate(waiting):
        following.setdefault(step.previous, []).append(place)
    left = dict(enumerate(waiting))
    for place in range(len(waiting)):
        at: int | None = place
        while at is not None and at in left and take(*left[at]):
            step, _ = left.pop(at)
            at = next((other for other in following.get(step.last, ()) if other in left), None)
    return [delta for _, delta in left.values()]


def _weight_of(delta: dict[str, Any]) -> int:
    return len(delta["bid_prices"]) + len(delta["ask_prices"]) + OWN_WEIGHT
