"""Runs of frames, trades and book deltas → every gap, with its cause, and how it was closed."""

from topology.flow import Stage

STAGE = Stage("detect_gaps", reads=("frame_run", "trade", "book_delta", "gap"), writes=("gap", "dead_letter"), background=True)
