"""The coins of each DEX in the venue's order, by which contexts that name no coin are told apart (`allPerpMetas`).

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals ("Retrieve perpetuals metadata"). A coin
that is no longer traded keeps its place, so a universe only grows. It is asked for on the connection itself, as a post request.

`memory["universe|xyz"]` holds the names of a DEX's coins; the first DEX's name is empty.
"""

import msgspec

from dialects.hyperliquid.coins import dex_of
from dialects.memory import Memory
from schemas.errors import InvalidDatum

METAS = "allPerpMetas"


class _Coin(msgspec.Struct):
    name: str


class _Meta(msgspec.Struct):
    universe: list[_Coin]


_decode = msgspec.json.Decoder(list[_Meta]).decode


def universes(data: bytes | msgspec.Raw) -> dict[str, list[str]]:
    """Return the coins of each DEX that has any; InvalidDatum and msgspec's errors where they cannot be."""
    found: dict[str, list[str]] = {}
    for meta in _decode(data):
        names = [coin.name for coin in meta.universe]
        dexes = {dex_of(name) for name in names}
        if len(dexes) > 1:
            raise InvalidDatum(f"one universe of several DEXes: {', '.join(sorted(dexes))[:200]}")
        for dex in dexes:
            if dex in found:
                raise InvalidDatum(f"two universes of the DEX {dex[:32]!r}")
            found[dex] = names
    return found


def remember(data: bytes | msgspec.Raw, memory: Memory) -> None:
    """Remember the coins of each DEX."""
    for dex, names in universes(data).items():
        if memory.get(_name(dex)) != names:
            memory[_name(dex)] = names


def names_of(dex: str, memory: Memory) -> list[str]:
    """Return the coins of a DEX; none where they have not been said."""
    names = memory.get(_name(dex))
    return names if isinstance(names, list) else []


def _name(dex: str) -> str:
    return f"universe|{dex}"
