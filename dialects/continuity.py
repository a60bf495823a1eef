"""What makes a channel continuous."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A rule of continuity."""

    kind: str
    source: str = ""


NONE = Rule("none")
COUNTED = Rule("counted")
RANGES = Rule("ranges")
CHECKSUM = Rule("checksum")
