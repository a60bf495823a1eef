"""What a dialect remembers of a connection from frame to frame."""

from collections.abc import Mapping
from typing import Any


class Memory(dict[str, Any]):
    """What a dialect remembers of one connection between frames: JSON values by name, kept across restarts.

    `changed` names what was set or deleted since it was last cleared: a checkpoint writes these alone. So a value is replaced,
    never changed in place, and has a name of its own where it changes by itself (`ticker|BTCUSDT`).
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.changed: set[str] = set()

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.changed.add(name)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self.changed.add(name)
