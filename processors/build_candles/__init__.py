"""Trades → candles of every interval, provisional, final and revised."""

from topology.flow import Stage

STAGE = Stage("build_candles", reads=("trade",), writes=("candle", "gap", "dead_letter"), background=True)
