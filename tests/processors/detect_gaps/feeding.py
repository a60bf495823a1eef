"""Streams fed by hand, and what they tell in short form."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from dialects import rules
from dialects.catalogue import all_dialects
from dialects.continuity import NONE, Rule, Step
from processors.detect_gaps.frames import Frames
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.readers import Shared
from processors.detect_gaps.streams import Streams
from processors.normalise.frame_runs import FrameRuns
from schemas.events import Gap
from topology.gap_versions import FILLING

SECOND = 1_000_000
HOUR = 3600 * SECOND


def rule_of(venue: str, channel: str) -> Rule:
    """Return the rule of a made-up venue: `v` counts trades and ranges book updates, `okx` links them, `plain` does neither."""
    if venue == "plain":
        return NONE
    book = rules.OKX_BOOK if venue == "okx" else rules.BYBIT_BOOK if venue == "bybit" else rules.BINANCE_SPOT_BOOK
    return {"trade": rules.TRADES_COUNTED, "frame": rules.FRAMES, "book": book}.get(channel, NONE)


def streams(reorder: int = SECOND) -> Streams:
    """Return the streams of a partition that has seen nothing."""
    return Streams(reorder, rule_of)


def seen(sequence: int, at: int = 0, connection: str = "a", lost: int = 0, **more: Any) -> Step:
    """Return one trade received at `at` microseconds."""
    return Step(sequence, sequence, connection, at, more.pop("time", at), lost, **more)


def feed(into: Streams, *steps: Step, channel: str = "trade", venue: str = "v", name: str = "") -> list[Gap]:
    """Feed events of one stream and return all that is told."""
    return [gap for step in steps for gap in into.see(venue, "S", channel, "live", step, name)]


def told(gaps: Iterable[Gap]) -> list[tuple[int | None, int | None, str, str]]:
    """Return range, cause and state of each gap event."""
    return [(gap["from_sequence"], gap["to_sequence"], gap["cause"], gap["state"]) for gap in gaps]


def ledger(gaps: Iterable[Gap]) -> dict[str, Gap]:
    """Return the newest state of each gap by its id; no two words of one gap have one version, nor an end that of a repair."""
    newest: dict[str, Gap] = {}
    words: dict[tuple[str, int], Gap] = {}
    for gap in gaps:
        assert words.setdefault((gap["gap_id"], gap["version"]), gap) == gap
        assert (gap["gap_id"], gap["version"] - FILLING) not in words, gap
        if gap["gap_id"] not in newest or gap["version"] >= newest[gap["gap_id"]]["version"]:
            newest[gap["gap_id"]] = gap
    return newest


def shared(reorder: int = SECOND) -> Shared:
    """Return what the partitions of one process share."""
    return Shared(reorder, Ended(), OpenGaps())


def copy(of: Streams) -> Streams:
    """Return the streams of the next owner: all that a checkpoint would keep."""
    of.changed = set(of.streams)
    next_owner = streams(of.reorder)
    next_owner.load({name: data for name, data in of.dump().items() if data is not None})
    return next_owner


def frame_runs() -> FrameRuns:
    """Return what tells the runs of a raw partition, as normalise begins it."""
    return FrameRuns({venue: one.connection_sequence for venue, one in all_dialects().items() if one.counts_connection})


def came(reader: Frames, runs: FrameRuns, frames: Sequence[tuple[Any, ...]]) -> list[Gap]:
    """Feed frames (dialects.contract.Frame's fields) that normalise got as one batch; return all that is told."""
    made = runs.of([list(column) for column in zip(*frames, strict=True)]) if frames else []
    rows = [tuple(cast("dict[str, Any]", run)[name] for name in Frames.fields) for _, run in made]
    return [gap for row in rows for gap in reader.take(row)[1]]
