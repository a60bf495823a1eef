"""Which frames' events are published by the producers that heard them, as those say (the notice `published`). Pure.

    nobody said anything ──▶ its frames are ours
      │ published
      ▼
    followed: frames up to `through` are the producer's, but for those it `left`; of later ones it is not known yet
      │ ▲ published
      │ │
      ▼ │ published, with a reason; or nobody said anything of a frame for too long
    over: frames after `through` are ours

A notice says what was left since the one before it. So where that one is not known (it is lost, no longer on the log, or forgotten),
nothing is known of the frames it spoke of: those up to `after` are ours. A notice speaks of frames before its own alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from dialects import notices
from schemas.errors import InvalidDatum

PREFIX: Final = "published\x1f"
MOST_CONNECTIONS: Final = 256
"""Of one partition; who was told of longest ago has long been closed. Of who is forgotten, frames become ours: their events come twice."""
MOST_LEFT: Final = 50_000
"""Of one connection, and not decided yet; beyond, all of its frames are ours up to that notice."""


@dataclass(slots=True)
class Mark:
    """How far the events of one connection's frames are published by its producer."""

    through: int = 0
    left: set[int] = field(default_factory=set)
    """Of those that are not decided yet."""
    over: bool = False
    after: int = 0
    """Up to this frame nothing is known of what was left: all are ours."""

    def is_theirs(self, number: int) -> bool | None:
        """Whether the events of a frame are published; None: not known yet."""
        if number <= self.through:
            return number > self.after and number not in self.left
        return False if self.over else None


class Published:
    """What was said of the connections of one raw partition; kept as entries of the state."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self.marks: dict[str, Mark] = {}
        self._changed: set[str] = set()
        for name, data in entries.items():
            if name.startswith(PREFIX):
                through, left, over, *after = orjson.loads(data)
                self.marks[name.removeprefix(PREFIX)] = Mark(through, set(left), over, *after)

    def look(self, frames: Sequence[Sequence[Any]]) -> list[tuple[int, str]]:
        """Take what frames, given as columns (Frame's fields), say of frames before them: before any of them is decided.

        Returns the rows of notices to nobody else that are none, and why: whoever reads the others refuses those.
        """
        if "notice" not in frames[5]:
            return []
        refused: list[tuple[int, str]] = []
        for row, (connection_id, number, kind, payload) in enumerate(zip(frames[2], frames[3], frames[5], frames[7], strict=True)):
            if kind != "notice":
                continue
            try:
                notice = notices.decode(payload)
            except InvalidDatum as error:
                if payload.startswith(notices.PUBLISHED):
                    refused.append((row, str(error)))
            else:
                if notice["notice"] == "published":
                    self._note(connection_id, number, notice)
        return refused

    def _note(self, connection_id: str, number: int, notice: notices.Notice) -> None:
        through, since = min(notice["count"], number - 1), notice["after"]
        mark = self.marks.pop(connection_id, None)
        if mark is None:
            mark, since = Mark(), through if since is None else since
        self.marks[connection_id] = mark
        if since is not None and since > mark.through:
            mark.after = min(since, through)
        mark.left.update(one for one in notice["left"] if mark.through < one <= through)
        mark.through = max(mark.through, through)
        mark.over = bool(notice["reason"])
        if len(mark.left) > MOST_LEFT:
            mark.left.clear()
            mark.after = mark.through
        self._changed.add(connection_id)
        if len(self.marks) > MOST_CONNECTIONS:
            self.forget((next(iter(self.marks)),))

    def decide(self, frames: Sequence[Sequence[Any]]) -> list[bool]:
        """Return of each frame, given as columns (Frame's fields), whether its events are published; up to the first that is not known.

        What it returns is decided: it is not asked again.
        """
        flags: list[bool] = []
        marks = self.marks
        for connection_id, number, kind in zip(frames[2], frames[3], frames[5], strict=True):
            mark = marks.get(connection_id)
            theirs = False if mark is None or kind == "notice" else mark.is_theirs(number)
            if theirs is None:
                break
            if not theirs and mark is not None and number in mark.left:
                mark.left.remove(number)
                self._changed.add(connection_id)
            flags.append(theirs)
        return flags

    def give_up(self, connection_id: str) -> None:
        """Take the frames of a connection of which nothing was said for ours."""
        self.marks[connection_id].over = True
        self._changed.add(connection_id)

    def forget(self, connections: Iterable[str]) -> None:
        """Forget connections: they are closed, and all of their frames are decided."""
        for connection_id in connections:
            if self.marks.pop(connection_id, None) is not None:
                self._changed.add(connection_id)

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump."""
        changed, self._changed = self._changed, set()
        return {PREFIX + name: self._entry(name) for name in changed}

    def _entry(self, connection_id: str) -> bytes | None:
        mark = self.marks.get(connection_id)
        return None if mark is None else orjson.dumps([mark.through, sorted(mark.left), mark.over, mark.after])
