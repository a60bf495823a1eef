"""Which market a run is about: the exchanges themselves, or the simulator where none of them can be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from dialects.catalogue import all_dialects
from dialects.stream import Stream
from dialects.symbols import bases, spell, split
from simulator.catalogue import all_venues, instruments
from simulator.instruments import PRICES
from topology.errors import Fatal
from topology.settings import Settings, Venue

VENUE_NAMES = "venues"
NOT_SIMULATED = "it is not simulated"


@dataclass(frozen=True, slots=True)
class Market:
    """The venues of a run with their settings, and why others of those that were wanted are not among them (in words, by venue)."""

    origin: Literal["live", "simulated"]
    venues: Mapping[str, Venue]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Those that did not answer. In a simulated market they may be among `venues`, simulated."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Those that such a run cannot carry, whether they answer or not."""


def wanted(settings: Settings, symbols: Sequence[str] = (), venues: Sequence[str] = ()) -> dict[str, Venue]:
    """Return the venues named by `venues`, else by the settings, else those that say `by_default`; `symbols` in each venue's spelling.

    Raises Fatal where a name is that of no dialect, or a symbol has no letters. Whether a venue has a symbol is not asked here.
    """
    if nameless := [symbol for symbol in symbols if not split(symbol)[0].strip()]:
        raise Fatal(f"no market is called {', '.join(map(repr, nameless))}: name a base, or base and quote (--symbols BTC,ETH/USDT)")
    known = all_dialects()
    names = list(venues or settings.venues) or [name for name, dialect in known.items() if dialect.by_default]
    unknown = [name for name in (*settings.venues, *venues) if name not in known]
    if unknown:
        raise Fatal(f"no dialect speaks {', '.join(unknown)} ({VENUE_NAMES}); there are {', '.join(known)}")
    found: dict[str, Venue] = {}
    for name in names:
        venue, like = settings.venues.get(name, Venue()), known[name].default_symbols
        if symbols and like:
            markets = {*like, *(one.wire_symbol for one in instruments((name,), PRICES))} if name in all_venues() else set(like)
            venue = venue.model_copy(update={"symbols": tuple(dict.fromkeys(spell(symbol, like[0], markets) for symbol in symbols))})
        found[name] = venue
    return found


def live(venues: Mapping[str, Venue], reasons: Mapping[str, str]) -> Market | None:
    """Return the market of those venues that can be reached (their reason is empty); None where none can."""
    reached = {name: venue for name, venue in venues.items() if not reasons.get(name)}
    if not reached:
        return None
    # A venue whose address is set may itself be a simulator, and then says so.
    origin: Literal["live", "simulated"] = "live" if any(venue.origin == "live" for venue in reached.values()) else "simulated"
    return Market(origin, reached, unreachable={name: reason for name, reason in reasons.items() if reason})


def listed(venues: Mapping[str, Venue]) -> tuple[dict[str, Venue], dict[str, str]]:
    """Return the venues with those of their symbols that the simulated market lists, and by venue, in words, which it does not list.

    A venue of which no symbol is left is not among them. Raises Fatal where a symbol's market is listed by none of the venues: the
    simulator would trade any name it is given, and what nobody trades must not be made up.
    """
    lists = {name: tuple(each.wire_symbol for each in instruments((name,), PRICES)) for name in venues if name in all_venues()}
    asked = {name: venue.symbols or all_dialects()[name].default_symbols for name, venue in venues.items() if name in lists}
    carried = {split(symbol) for name, symbols in asked.items() for symbol in symbols if symbol in lists[name]}
    unlisted = {name: missing for name, symbols in asked.items() if (missing := [one for one in symbols if one not in lists[name]])}
    if nowhere := [(name, symbol) for name, missing in unlisted.items() for symbol in missing if split(symbol) not in carried]:
        near = [f"{one} ({name})" for name, symbol in nowhere for one in _near(symbol, lists[name])]
        others = f"near: {', '.join(dict.fromkeys(near))}" if near else f"it trades {', '.join(PRICES)}"
        names = ", ".join(f"{symbol} ({name})" for name, symbol in nowhere)
        raise Fatal(f"the simulated market has no {names}; {others}. Name others with --symbols, or in the settings (venues.NAME.symbols)")
    left = dict(venues)
    for name, missing in unlisted.items():
        left[name] = venues[name].model_copy(update={"symbols": tuple(one for one in asked[name] if one not in missing)})
        if not left[name].symbols:
            del left[name]
    return left, {name: f"the simulated market lists no {', '.join(missing)} here" for name, missing in unlisted.items()}


def _near(symbol: str, known: Sequence[str]) -> list[str]:
    """Return the symbols whose base is this one's, or nearly so."""
    alike = get_close_matches(split(symbol)[0], bases(known))
    return [one for one in known if split(one)[0] in alike]


def simulated(venues: Mapping[str, Venue], addresses: Mapping[str, str], reasons: Mapping[str, str]) -> Market:
    """Return the market the simulator serves at `addresses` (`<venue>_ws`, `<venue>_rest`), each event labelled `simulated`.

    What needs a credential is left out: the simulator knows no exchange's keys, and is shown none. So is a venue of which nothing is
    left then, or which it does not serve. Raises Fatal where no venue is left.
    """
    served: dict[str, Venue] = {}
    left_out: dict[str, str] = {}
    for name, venue in venues.items():
        spoken = all_dialects()[name]
        channels = tuple(one for one in venue.channels if not spoken.is_private([Stream(one, "")]))
        if f"{name}_ws" not in addresses:
            left_out[name] = NOT_SIMULATED
        elif venue.channels and not channels:
            left_out[name] = f"{', '.join(venue.channels)} can't be simulated without a credential"
        else:
            changes = {
                "websocket": addresses[f"{name}_ws"],
                "rest": addresses[f"{name}_rest"],
                "origin": "simulated",
                "credential": "",
                "channels": channels,
                "symbols": venue.symbols or spoken.default_symbols,
            }
            served[name] = venue.model_copy(update=changes)
    if not served:
        raise Fatal(f"the simulator serves none of {', '.join(venues)}: name another venue ({VENUE_NAMES})")
    return Market("simulated", served, {name: reason for name, reason in reasons.items() if reason}, left_out)


def simulator_venues(venues: Mapping[str, Venue]) -> tuple[str, ...]:
    """Return those venues that the simulator has a voice for. Fatal where it has none for any."""
    found = tuple(name for name in venues if name in all_venues())
    if not found:
        raise Fatal(f"the simulator serves none of {', '.join(venues)}, but {', '.join(all_venues())}: name another venue ({VENUE_NAMES})")
    return found


def simulator_bases(venues: Mapping[str, Venue]) -> tuple[str, ...]:
    """Return the base currencies the simulator must trade so that every symbol of the venues is there."""
    return bases(symbol for name, venue in venues.items() for symbol in venue.symbols or all_dialects()[name].default_symbols)
