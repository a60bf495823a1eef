"""How long to wait before trying again: exponential with full jitter.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter").
"""

from collections.abc import Callable


class Backoff:
    """Count failures in a row. `random` gives numbers in [0, 1); times in seconds."""

    def __init__(self, first: float, most: float, random: Callable[[], float]) -> None:
        self._first = first
        self._most = most
        self._random = random
        self.failures = 0

    def wait(self) -> float:
        """Count one more failure and return how long to wait: anything up to `first` doubled each time, never above `most`."""
        ceiling = min(self._most, self._first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self._random() * ceiling

    def succeeded(self, lasted: float) -> None:
        """Begin anew, where success has lasted as long as the longest wait: a connection that flaps is no success."""
        if lasted >= self._most:
            self.failures = 0
