"""One raw partition by hand: frames and what producers say of them, read by normalise's work in fetches, checkpoints and kills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from dialects import notices
from dialects.contract import Frame
from processors.engine.transport import Batch
from processors.normalise.work import Normalise
from tests.processors.normalise.feeding import TRADE, frame


class Record(NamedTuple):
    """A frame on the log."""

    offset: int
    value: Frame
    timestamp: int = 0
    timestamp_type: int = 0
    key: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()


class Plain:
    """Messages that are frames already."""

    def columns(self, values: Sequence[Frame], _fields: object) -> list[list[Any]]:
        """Return them as columns."""
        return [list(column) for column in zip(*values, strict=True)]


@dataclass
class Made:
    """Where the work publishes to: the ids of trades, and the offsets of frames refused."""

    trades: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def publish(self, name: str, record: Mapping[str, Any]) -> None:
        """Take an event; that frames came is no event of theirs."""
        if name != "frame_run":
            self.trades.append(int(record["trade_id"]))

    def publish_block(self, _name: str, columns: Mapping[str, Any], _count: int) -> list[tuple[int, str]]:
        """Take events."""
        self.trades += map(int, columns["trade_id"])
        return []

    def refuse(self, _batch: Batch, offset: int, _reason: str) -> None:
        """Take a refusal."""
        self.refused.append(offset)


class Log:
    """One raw partition, and the work that reads it; `restart` as after a kill."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.made = Made()
        self.time = 0.0
        self.table: dict[str, bytes] = {"applied": b"-1"}
        self.read = self.kept = 0
        self._numbers: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        self.work = Normalise(cast("Any", Plain()), self.table, lambda: self.time)

    def write(self, connection: str, payload: bytes, kind: str = "message") -> int:
        """Append a frame of a connection; return its number there."""
        number = self._numbers[connection] = self._numbers.get(connection, 0) + 1
        self.records.append(Record(len(self.records), frame(number, payload, connection=connection, kind=kind)))
        return number

    def trade(self, connection: str, trade_id: int) -> int:
        """Append a frame of one trade."""
        return self.write(connection, TRADE % trade_id)

    def say(self, connection: str, count: int, *, left: list[int] | None = None, reason: str = "", after: int | None = None) -> None:
        """Append the remark that events are published."""
        self.write(connection, notices.encode("published", count=count, left=left, reason=reason, after=after), "notice")

    def fetch(self, most: int = 1_000_000) -> None:
        """Let the work read on."""
        records = self.records[self.read : self.read + most]
        if records:
            end = records[-1].offset + 1
            batch = Batch(cast("Any", records), topic="raw.binance", partition=0, first=records[0].offset, end=end, generation=1)
            self.work.apply(batch, cast("Any", self.made))
            batch.clear()
            self.read = end

    def checkpoint(self) -> None:
        """Keep the state, and up to where the log need not be read again."""
        for name, data in self.work.dump().items():
            if data is None:
                self.table.pop(name, None)
            else:
                self.table[name] = data
        held = self.work.holds_from
        self.kept = self.read if held is None else held

    def restart(self) -> None:
        """Begin again from the last checkpoint."""
        self.read = self.kept
        self._begin()

    def wait(self, seconds: float) -> None:
        """Let time pass, with nothing left to read."""
        self.time += seconds
        self.work.tick(0, cast("Any", self.made))
