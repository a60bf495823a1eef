"""Every simulated venue, found by being a class with a name in the module `venue` of a folder of simulator/venues.

A folder may hold several venues: the markets of one exchange that have addresses of their own (spot, linear, inverse).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

import simulator.venues
from simulator.folders import classes
from simulator.instruments import Instrument
from simulator.venue import Venue


@cache
def all_venues() -> Mapping[str, type[Venue]]:
    """Return the class of every simulated venue by its name, in alphabetical order."""
    return MappingProxyType(classes(simulator.venues, Venue, "venue"))  # type: ignore[type-abstract]  # it is asked for what derives from it


def venue(name: str) -> type[Venue]:
    """Return a simulated venue's class.

    Raises:
        ValueError: it is not simulated; the text names those that are.
    """
    try:
        return all_venues()[name]
    except KeyError:
        raise ValueError(f"venue {name!r} is not simulated; there are {', '.join(all_venues())}") from None


def instruments(venues: Iterable[str], bases: Iterable[str]) -> list[Instrument]:
    """Return what each venue lists of every base currency, in a fixed order.

    Raises:
        ValueError: a venue is not simulated.
    """
    asked = [venue(name) for name in venues]
    return [each for base in bases for one in asked for each in one.instruments(base)]
