"""What a dialect remembers of a connection from frame to frame, and of it what a frame that did not come makes unknown."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

MERGED = "merged|"
"""How the names begin under which a memory holds what is merged of changes."""
LONGEST_NAME: Final = 512
MOST_NAMES: Final = 50_000
"""Things remembered of one connection: the venue that lists most, with a few of each listed, has some 10,000."""
_ABSENT: Final = object()


class Memory(dict[str, Any]):
    """What a dialect remembers of one connection between frames: JSON values by name, kept across restarts.

    Two kinds of things. A fact stands until the venue says another (a scale, a status), whatever was missed in between. What is
    merged of changes, where "not in the message" means "as before", is true only while no frame of the connection is missed: its
    name begins with MERGED, and the normaliser forgets it where one may have changed it.

    `changed` names what was set or deleted since it was last cleared: a checkpoint writes these alone. So a value is replaced,
    never changed in place, and has a name of its own where it changes by itself (`merged|ticker|BTCUSDT`).

    A name that is too long, and one too many, is not remembered: what a venue says must not fill what is kept. What was told of such a
    thing is told again; no symbol that an event may have makes so long a name.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.changed: set[str] = set()
        self._before: dict[str, Any] = {}
        self._depends: defaultdict[int, list[tuple[str, Any]]] = defaultdict(list)
        """By the identity of an event's fields: names of what is remembered of it, and which of the list there; None: all of it."""

    def __setitem__(self, name: str, value: Any) -> None:
        if len(name) > LONGEST_NAME or (len(self) >= MOST_NAMES and name not in self):
            return
        self._before.setdefault(name, self.get(name, _ABSENT))
        super().__setitem__(name, value)
        self.changed.add(name)

    def __delitem__(self, name: str) -> None:
        self._before.setdefault(name, self.get(name, _ABSENT))
        super().__delitem__(name)
        self.changed.add(name)

    def depends(self, name: str, fields: Mapping[str, Any], row: Any = None) -> None:
        """Say that what was set under a name stands only where an event does, by its fields: that it was told, or what it teaches.

        `row`: where a list was set, which of it.
        """
        self._depends[id(fields)].append((name, row))

    def let_go(self, fields: Mapping[str, Any]) -> None:
        """Take back what depends on an event that is refused: it is told when it comes as it can be. What is merged is forgotten."""
        for name, row in self._depends.pop(id(fields), ()):
            if name.startswith(MERGED):
                self._restore(name, _ABSENT)
            elif row is not None:
                self[name] = [one for one in self.get(name, ()) if one != row]
            else:
                self._restore(name, self._before.get(name, self.get(name, _ABSENT)))

    def changes(self) -> list[str]:
        """Return the names of what was changed since `keep`."""
        return list(self._before)

    def keep(self) -> None:
        """Take what was changed so far as it is: `undo` goes back to here."""
        self._before.clear()
        self._depends.clear()

    def undo(self) -> None:
        """Take back what was changed since `keep`."""
        for name, value in self._before.copy().items():
            self._restore(name, value)
        self.keep()

    def _restore(self, name: str, value: Any) -> None:
        """Set without asking for room: it had its room before."""
        if value is not _ABSENT:
            super().__setitem__(name, value)
        elif name in self:
            super().__delitem__(name)
        self.changed.add(name)

    def forget_merged(self, names: Iterable[str] | None = None) -> None:
        """Forget what was merged under these names; None: under all. No `undo` brings it back."""
        for name in [name for name in (self if names is None else names) if name in self and name.startswith(MERGED)]:
            del self[name]
        self.keep()
