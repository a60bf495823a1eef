"""How many steps a second give a wanted number of frames a second."""

from __future__ import annotations

from dataclasses import replace

from simulator.instruments import BINANCE, Instrument
from simulator.market import Market, MarketSettings

DRY_STEPS = 2_000
DRY_LEVELS = 100
WINDOWS_PER_SECOND = 10
"""Binance's `depth@100ms` gives each instrument at most so many frames a second."""


def frames_per_step(instruments: list[Instrument], settings: MarketSettings) -> float:
    """Frames without Binance's depth, of a client that hears everything, in a dry run of the same market."""
    market = Market(instruments, replace(settings, levels=DRY_LEVELS))
    frames = 0
    for _ in range(DRY_STEPS):
        step = market.step()
        if step.listing.instrument.venue == BINANCE:
            frames += len(step.trades) + step.quote_changed
        else:
            frames += bool(step.trades) + bool(step.changes) + step.quote_changed
    return frames / DRY_STEPS


def steps_per_second(instruments: list[Instrument], settings: MarketSettings, frames_per_second: float) -> float:
    """Return how many steps a second give about that many frames a second over all venues and streams.

    Streams counted: Binance `trade`, `depth@100ms`, `bookTicker`; Kraken `trade`, `book` of depth 100, `ticker` (bbo).
    """
    each = frames_per_step(instruments, settings)
    listed = sum(instrument.venue == BINANCE for instrument in instruments)
    total = len(instruments)
    steps = frames_per_second / each
    # A window without any change gives no frame; the chance of that falls as steps grow, so approach it.
    for _ in range(20):
        in_window = steps / total / WINDOWS_PER_SECOND
        busy = min(1.0, in_window / (1.0 + in_window / 2)) if in_window < 2 else 1.0
        steps = max(frames_per_second * 0.1, frames_per_second - listed * WINDOWS_PER_SECOND * busy) / each
    return steps
