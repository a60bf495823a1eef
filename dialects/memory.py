"""What a dialect remembers of a connection from frame to frame, and of it what a frame that did not come makes unknown."""

from collections.abc import Iterable, Mapping
from typing import Any

MERGED = "merged|"
"""How the names begin under which a memory holds what is merged of changes."""
_ABSENT = object()


class Memory(dict[str, Any]):
    """What a dialect remembers of one connection between frames: JSON values by name, kept across restarts.

    Two kinds of things. A fact stands until the venue says another (a scale, a status), whatever was missed in between. What is
    merged of changes, where "not in the message" means "as before", is true only while no frame of the connection is missed: its
    name begins with MERGED, and the normaliser forgets it where one may have changed it.

    `changed` names what was set or deleted since it was last cleared: a checkpoint writes these alone. So a value is replaced,
    never changed in place, and has a name of its own where it changes by itself (`merged|ticker|BTCUSDT`).
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.changed: set[str] = set()
        self._before: dict[str, Any] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        self._before.setdefault(name, self.get(name, _ABSENT))
        super().__setitem__(name, value)
        self.changed.add(name)

    def __delitem__(self, name: str) -> None:
        self._before.setdefault(name, self.get(name, _ABSENT))
        super().__delitem__(name)
        self.changed.add(name)

    def keep(self) -> None:
        """Take what was changed so far as it is: `undo` goes back to here."""
        self._before.clear()

    def undo(self) -> None:
        """Take back what was changed since `keep`."""
        for name, value in self._before.copy().items():
            if value is not _ABSENT:
                self[name] = value
            elif name in self:
                del self[name]
        self.keep()

    def forget_merged(self, names: Iterable[str] | None = None) -> None:
        """Forget what was merged under these names; None: under all. No `undo` brings it back."""
        for name in [name for name in (self if names is None else names) if name in self and name.startswith(MERGED)]:
            del self[name]
        self.keep()
