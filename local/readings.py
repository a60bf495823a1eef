"""What is known of a run at one moment: what the live view draws, the plain lines say and the summary sums up."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class StageReading:
    """One stage now. Rates per second, latencies in seconds; None where it has no such thing."""

    name: str
    state: str
    reason: str = ""
    pid: int | None = None
    restarts: int = 0
    read: int = 0
    written: int = 0
    refused: int = 0
    read_rate: float = 0.0
    written_rate: float = 0.0
    lag: int | None = None
    """Messages that it has still to read; of the sink those that are not yet in ClickHouse."""
    p50: float | None = None
    p99: float | None = None
    whole_p50: float | None = None
    whole_p99: float | None = None


@dataclass(slots=True)
class VenueReading:
    """One venue now."""

    name: str
    connections: int = 0
    frames: int = 0
    frame_rate: float = 0.0
    reconnects: int = 0
    silences: int = 0
    dropped: int = 0
    refused: tuple[str, ...] = ()
    """Streams that the venue has refused in this run, as people call them: `trade NOPE/USD`."""
    open_gaps: int | None = None


@dataclass(frozen=True, slots=True)
class FaultReading:
    """Faults of our own (topology/faults.py) in one part of one process; `venue` and `event` are empty where none is to blame."""

    stage: str
    venue: str
    event: str
    """The event, or of a producer the part of it."""
    count: int
    reason: str
    """Of the last of them, with its place in our code; empty where it was never seen."""

    def __str__(self) -> str:
        """Return it for people: `binance trade failed 12 times in normalise: KeyError: 'p' (dialects/a.py:88 in read)`."""
        times = "once" if self.count == 1 else f"{self.count:,} times"
        of = " ".join(filter(None, (self.venue, self.event)))
        words = f"{of} failed {times} in {self.stage}" if of else f"{self.stage} failed {times}"
        return f"{words}: {self.reason or 'its log says why'}"


@dataclass(slots=True)
class Reading:
    """Everything now."""

    stages: dict[str, StageReading] = field(default_factory=dict)
    venues: dict[str, VenueReading] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Of each table as its metadata say: a row that was written again counts twice until both are merged."""
    row_rates: dict[str, float] = field(default_factory=dict)
    open_gaps: dict[str, int] | None = None
    failing: list[FaultReading] = field(default_factory=list)
    """Faults of the last five minutes, by kind, as /health tells them; the counts are of the process as it runs now."""
    faults: list[FaultReading] = field(default_factory=list)
    """Faults of the whole run, by stage, venue and event."""
    trouble: str = ""
