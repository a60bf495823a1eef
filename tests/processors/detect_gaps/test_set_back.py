"""A clock that is set back delays no gap."""

from tests.processors.detect_gaps.feeding import HOUR, feed, seen, streams, told

NOBODY = frozenset[str]()


def test_a_hole_that_was_seen_in_the_future_is_told_now() -> None:
    """A hole seen by a clock that has been set back by an hour since is told as soon as nothing is left to read."""
    one = streams()
    feed(one, seen(5, HOUR), seen(9, HOUR + 10))
    assert told(one.tick(20, NOBODY)) == [(6, 8, "wire", "open")]
