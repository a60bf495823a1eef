"""Python's cyclic garbage collector, tuned for processes that hold many messages at once."""

import gc
from typing import Final

COLLECT_EVERY: Final = (50_000, 20, 50)
"""Thresholds. Each message is an object or two that it tracks: at the default of 700 it walks what is being read over and over,
a third of the time of reading with confluent-kafka and two thirds with aiokafka."""


def collect_rarely() -> None:
    """Leave what is loaded now out of all collections, and collect seldom. Call it once, after the imports."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)
