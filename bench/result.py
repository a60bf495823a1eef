"""What a benchmark says: a figure beside a peer's, taken in the same run."""

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from bench.peers.measured import Measured


class Result(TypedDict):
    """One line of bench/results.json; `ratio` is value over peer_value, None where there is no peer; `measured` is of bench/peers."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float | None
    ratio: float | None
    how: str
    measured: NotRequired["Measured"]


def result(name: str, value: float, unit: str, how: str, peer: str = "", peer_value: float | None = None) -> Result:
    """Return a result with its ratio, figures rounded to what the noise allows."""
    ratio = round(value / peer_value, 2) if peer_value else None
    return Result(
        name=name,
        value=_rounded(value),
        unit=unit,
        peer=peer,
        peer_value=None if peer_value is None else _rounded(peer_value),
        ratio=ratio,
        how=how,
    )


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 else round(value, 3)
