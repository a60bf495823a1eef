"""Our stages beside other programs that do the same work: `make bench ONLY=peers`, or one figure, as ONLY=peer_quix_normalise."""

from collections.abc import Callable

from bench.peers.catalogue import FIGURES, cells
from bench.result import Result

__all__ = ["FIGURES", "run", "run_one"]


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure every program at every job."""
    from bench.peers.comparison import compare

    return compare(cells(), progress)


def run_one(progress: Callable[[str], None], figure: str) -> list[Result]:
    """Measure one program at one job, and ours beside it."""
    from bench.peers.comparison import compare

    return compare(cells(figure), progress)
