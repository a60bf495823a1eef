"""Versions of a gap's states: which word is the truth, in whatever order the words are written down. Pure.

Two tell of a gap, each on its own and each again after a restart: the stage that found it, and the producer that mends it. A table keeps
the row of the highest version, and of equal ones whichever came last: so each kind of word has a version of its own. The first three
count up from that of `open`, which is its time in microseconds; what is certain has the time at which it came:

    open 0 ── filling 1 ── weak end 2 ── certain end, or open again: 3 or its time
"""

FILLING = 1
WEAK_END = 2
CERTAIN = 3


def filling(opened: int) -> int:
    """Return the version of a repair that begins of a gap whose `open` has the version `opened`."""
    return opened + FILLING


def weak_end(opened: int) -> int:
    """Return the version of an end that was only concluded, or is of what was known at `open`: every certain end outranks it."""
    return opened + WEAK_END


def certain(opened: int, at: int) -> int:
    """Return the version of an end, or of being open once more, that was seen at a time (microseconds), be it that of `open` itself."""
    return max(at, opened + CERTAIN)
