"""Which frames' events are published by the producers that heard them, as those say (the notice `published`). Pure.

nobody said anything ──▶ its frames are ours
│ published
▼
followed: frames up to `through` are the producer's, but for those it `left`; of later ones it is not known yet
│ published, with a reason; or nobody said anything of a frame for too long
▼
over: frames after `through` are ours
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


@dataclass(slots=True)
class Mark:
    """How far the events of one connection's frames are published by its producer."""

    through: int = 0
    left: set[int] = field(default_factory=set)
    over: bool = False

    def is_theirs(self, number: int) -> bool | None:
        """Whether the events of a frame are published; None: not known yet."""
        if number <= self.through:
            return number not in self.left
        return False if self.over else None


class Published:
    """What was said of the connections of one raw partition; kept as entries of the state."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self.marks: dict[str, Mark] = {}
        self._changed: set[str] = set()
        for name, data in entries.items():
            if name.startswith(PREFIX):
                through, left, over = orjson.loads(data)
                self.marks[name.removeprefix(PREFIX)] = Mark(through, set(left), over)

    def look(self, connections: Sequence[str], kinds: Sequence[str], payloads: Sequence[bytes]) -> None:
        """Take what frames, given as columns, say of frames before them: before any of them is decided."""
        if "notice" not in kinds:
            return
        for connection_id, kind, payload in zip(connections, kinds, payloads, strict=True):
            if kind == "notice":
                self._note(connection_id, payload)

    def _note(self, connection_id: str, payload: bytes) -> None:
        try:
            notice = notices.decode(payload)
        except InvalidDatum:
            return  # whoever reads notices refuses it
        if notice["notice"] != "published":
            return
        mark = self.marks.pop(connection_id, None) or Mark()
        self.marks[connection_id] = mark
        mark.left |= {number for number in notice["left"] if number > mark.through}
        mark.through = max(mark.through, notice["count"])
        mark.over = mark.over or bool(notice["reason"]) or len(mark.left) > MOST_LEFT
        self._changed.add(connection_id)
        if len(self.marks) > MOST_CONNECTIONS:
            self.forget((next(iter(self.marks)),))

    def decide(self, frames: Sequence[Sequence[Any]]) -> list[bool]:
        """Return of each frame, given as columns (Frame's fields), whether its events are published; up to the first that is not known."""
        flags: list[bool] = []
        marks = self.marks
        for connection_id, number, kind in zip(frames[2], frames[3], frames[5], strict=True):
            mark = marks.get(connection_id)
            theirs = False if mark is None or kind == "notice" else mark.is_theirs(number)
            if theirs is None:
                break
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
        return None if mark is None else orjson.dumps([mark.through, sorted(mark.left), mark.over])
