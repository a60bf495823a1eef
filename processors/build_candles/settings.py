"""What the building of candles is told: how long to wait, how often to speak, how long to remember. All in microseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from processors.build_candles.intervals import DAY, HOUR, MINUTE, NAMES, SECOND

_RETENTION = {"1s": 2 * HOUR, "1h": 7 * DAY, "2h": 7 * DAY, "4h": 7 * DAY, "6h": 7 * DAY, "8h": 7 * DAY, "12h": 7 * DAY, "1d": 35 * DAY}
_LONGEST = {"3d": 35 * DAY, "1w": 62 * DAY, "1M": 62 * DAY}


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of a candle builder."""

    grace: int = 2 * SECOND
    """A candle is final when the venue's highest event time is this far behind its close."""
    every: int = SECOND
    """An open candle is published at most once in this time (of `now`)."""
    idle: int = 10 * SECOND
    """Where a venue says nothing for this long, candles whose close and grace passed that long ago are final by the clock."""
    skew: int = 5 * SECOND
    """An event time may be this far ahead of its arrival; one that is further moves the watermark to its arrival and no further."""
    ids: int = 30 * MINUTE
    """How long trade ids that are no numbers are remembered, in event time behind the watermark; an older trade is not counted."""
    retention: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(NAMES, 2 * DAY) | _RETENTION | _LONGEST))
    """Interval → how long after its close a candle still takes late trades."""
    smallest: int = 64
    """Blocks of fewer trades than this are read one by one: below it columns cost more than they save."""
