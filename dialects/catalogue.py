"""Every dialect, found by being the module `dialect` of a folder here."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import dialects
from dialects.continuity import NONE, Rule
from dialects.contract import Dialect


@cache
def all_dialects() -> Mapping[str, Dialect]:
    """Return one instance of every dialect by venue, in alphabetical order."""
    found: dict[str, Dialect] = {}
    for folder in pkgutil.iter_modules(dialects.__path__):
        if not folder.ispkg:
            continue
        for item in vars(importlib.import_module(f"dialects.{folder.name}.dialect")).values():
            if isinstance(item, type) and issubclass(item, Dialect) and item.venue:
                found[item.venue] = item()
    return MappingProxyType(dict(sorted(found.items())))


def dialect(venue: str) -> Dialect:
    """Return a venue's dialect; KeyError names those there are."""
    try:
        return all_dialects()[venue]
    except KeyError:
        raise KeyError(f"no dialect for {venue!r}; there are {', '.join(all_dialects())}") from None


def rule_of(venue: str, channel: str) -> Rule:
    """Return what proves that nothing of a venue's channel was missed; a rule that proves nothing where there is no such channel."""
    known = all_dialects().get(venue)
    found = known.channels.get(channel) if known is not None else None
    return NONE if found is None else found.continuity
