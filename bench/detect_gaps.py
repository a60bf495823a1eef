"""What the frames of a market leave to the detector of gaps, worked off as a backlog: our stage alone."""

from collections.abc import Callable
from itertools import islice

from bench.market import frames
from bench.result import Result, result
from bench.stage_rate import fresh
from local.monitor import topics_of
from topology.clock import now
from topology.flow import stages
from topology.lag import Offsets

FIGURES = ("detect_gaps",)
FRAMES = 1_000_000


def run(progress: Callable[[str], None]) -> list[Result]:
    """Let normalise make of a backlog of frames what the detector reads, then measure the detector on all of it."""
    with fresh() as bench:
        bench.load("raw.binance", islice(frames(bench.codec("frame", "raw.binance"), now), FRAMES))
        bench.rate("processors.normalise", "normalise", FRAMES)
        offsets = Offsets(bench.kafka)
        reads = topics_of(stages()["detect_gaps"].reads)
        expected = sum(offsets.ends(offsets.partitions(reads)).values())
        offsets.close()
        progress(f"the {expected:,} messages that {FRAMES:,} frames leave to it")
        ours = bench.rate("processors.detect_gaps", "detect_gaps", expected)
    share = FRAMES / expected
    how = (
        f"what normalise makes of a backlog of {FRAMES:,} frames (3 trades, 5 quotes, 2 book deltas of 10, four symbols) in 4 partitions, "
        f"{expected:,} messages for the detector, one process; frames over its CPU seconds from first to last batch, all threads, state "
        f"kept; wall: {ours.wall * share:,.0f} frames/s; {ours.core:,.0f} messages per core-second"
    )
    return [result("detect_gaps", ours.core * share, "frames per core-second", how)]
