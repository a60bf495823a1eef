"""How many steps a second give a wanted number of frames a second."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from simulator.catalogue import venue
from simulator.instruments import Instrument
from simulator.market import Market, MarketSettings

DRY_STEPS = 2_000
DRY_LEVELS = 100


def frames_per_step(instruments: list[Instrument], settings: MarketSettings) -> float:
    """Frames sent at once by a step, to a client that hears everything, in a dry run of the same market."""
    market = Market(instruments, replace(settings, levels=DRY_LEVELS))
    steps = [market.step() for _ in range(DRY_STEPS)]
    return sum(venue(step.listing.instrument.venue).frames_at_once(step) for step in steps) / DRY_STEPS


def steps_per_second(instruments: list[Instrument], settings: MarketSettings, frames_per_second: float) -> float:
    """Return how many steps a second give about that many frames a second over all venues and streams.

    Each venue says which of its streams are counted: `frames_at_once` and `windows_per_second`.
    """
    each = frames_per_step(instruments, settings)
    windowed = Counter(venue(instrument.venue).windows_per_second for instrument in instruments)
    total = len(instruments)
    steps = frames_per_second / each
    # A window without any change gives no frame; the chance of that falls as steps grow, so approach it.
    for _ in range(20):
        in_windows = 0.0
        for windows, listed in windowed.items():
            in_window = steps / total / windows if windows else 0.0
            busy = min(1.0, in_window / (1.0 + in_window / 2)) if in_window < 2 else 1.0
            in_windows += listed * windows * busy
        steps = max(frames_per_second * 0.1, frames_per_second - in_windows) / each
    return steps
