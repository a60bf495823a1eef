"""Instruments: the perpetuals of every DEX (`allPerpMetas`) and the pairs of spot (`spotMeta`).

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals and its neighbour `spot`;
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size;
https://hyperliquid.gitbook.io/hyperliquid-docs/trading/contract-specifications; https://hyperliquid.gitbook.io/hyperliquid-docs/trading/funding.

The quote currency of a perpetual is given by no field: the venue's pages write "HYPE-USD" and "PURR-USD", whatever dollar the oracle's
price is in and the collateral is of. Contracts are linear by the same page, and are settled in the collateral.
No list is full: one has the perpetuals, the other the pairs.
"""

from typing import Annotated

import msgspec

from dialects.contract import DecodedEvent, Fields
from dialects.hyperliquid.coins import dex_of
from dialects.instruments import canonical_name
from dialects.listings import instruments_of
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum

PERPETUAL_DECIMALS, SPOT_DECIMALS = 6, 8
"""Decimals of a price and of a size together, at most (…/tick-and-lot-size)."""
SIGNIFICANT = 5
"""Figures of a price; whole prices may have more."""
USD = "USD"
_TOKENS = "tokens"
_USDC = {"0": "USDC"}
"""The token of index 0 (…/info-endpoint/spot), in which the first DEX holds its collateral: known where no list of tokens came before."""
_Scale = Annotated[int, msgspec.Meta(ge=0, le=18)]
_ONE = encode("1")


class _Perpetual(msgspec.Struct, rename="camel"):
    """`{"szDecimals":5,"name":"BTC","maxLeverage":40,"marginTableId":56}`; `isDelisted` is there where it is true."""

    name: str
    sz_decimals: _Scale
    is_delisted: bool | None = None


class _Meta(msgspec.Struct, rename="camel"):
    universe: list[msgspec.Raw]
    collateral_token: int = 0


class _Token(msgspec.Struct, rename="camel"):
    """`{"name":"PURR","szDecimals":0,"weiDecimals":5,"index":1,"tokenId":"0x…","isCanonical":true}`."""

    name: str
    sz_decimals: _Scale
    index: int


class _Pair(msgspec.Struct):
    """`{"name":"PURR/USDC","tokens":[1,0],"index":0,"isCanonical":true}`: base and quote by their index."""

    name: str
    tokens: tuple[int, int]


class _SpotMeta(msgspec.Struct):
    tokens: list[_Token]
    universe: list[msgspec.Raw]


_decode_metas = msgspec.json.Decoder(list[_Meta]).decode
_decode_perpetual = msgspec.json.Decoder(_Perpetual).decode
_decode_spot = msgspec.json.Decoder(_SpotMeta).decode
_decode_pair = msgspec.json.Decoder(_Pair).decode


def read_perpetuals(venue: str, payload: bytes, memory: Memory) -> list[DecodedEvent]:
    """Return an instrument for each perpetual of each DEX; PartlyInvalid where some cannot be."""
    tokens = memory.get(_TOKENS) or _USDC
    collaterals: list[str | None] = []
    listed: list[msgspec.Raw] = []
    for meta in _decode_metas(payload):
        listed += meta.universe
        collaterals += [tokens.get(str(meta.collateral_token))] * len(meta.universe)
    settles = iter(collaterals)
    return instruments_of(venue, listed, lambda one: _perpetual(one, next(settles)))


def read_pairs(venue: str, payload: bytes, memory: Memory) -> list[DecodedEvent]:
    """Return an instrument for each pair of spot, and remember what tokens are called; PartlyInvalid where some cannot be."""
    found = _decode_spot(payload)
    tokens = {token.index: token for token in found.tokens}
    names = {str(index): token.name for index, token in tokens.items()}
    if memory.get(_TOKENS) != names:
        memory[_TOKENS] = names
    return instruments_of(venue, found.universe, lambda one: _pair(one, tokens))


def _perpetual(listed: msgspec.Raw, settle: str | None) -> Fields:
    one = _decode_perpetual(listed)
    dex = dex_of(one.name)
    base = one.name.removeprefix(f"{dex}:") if dex else one.name
    if not base:
        raise InvalidDatum(f"{one.name!r} names no coin")
    return _sizes(one.sz_decimals, PERPETUAL_DECIMALS) | {
        "symbol": one.name,
        "event_time": None,
        "base": base,
        "quote": USD,
        "settle": settle,
        "trading_status": "delisted" if one.is_delisted else "trading",
        "canonical_name": canonical_name("perpetual", base, USD),
        "kind": "perpetual",
        "margin_type": "linear",
        "contract_size": _ONE,
        "contract_size_unit": "base",
        "funding_interval_s": 3600,
        "asset_class": "unknown" if dex else "crypto",
    }


def _pair(listed: msgspec.Raw, tokens: dict[int, _Token]) -> Fields:
    """Return a pair's fields. The list has no word on whether one trades."""
    one = _decode_pair(listed)
    base, quote = (tokens.get(index) for index in one.tokens)
    if base is None or quote is None:
        raise InvalidDatum(f"{one.name!r} is of the tokens {one.tokens}, which are not all in the list")
    return _sizes(base.sz_decimals, SPOT_DECIMALS) | {
        "symbol": one.name,
        "event_time": None,
        "base": base.name,
        "quote": quote.name,
        "settle": quote.name,
        "trading_status": "unknown",
        "canonical_name": canonical_name("spot", base.name, quote.name),
        "kind": "spot",
        "margin_type": "none",
        "asset_class": "crypto",
    }


def _sizes(size_decimals: int, decimals: int) -> Fields:
    """Return steps of sizes and prices: a price has five significant figures, and no more than `decimals` less the size's decimals.

    So the tick is ten times as large from each power of ten on where five figures reach less far, up to one: whole prices may have more.
    """
    price_decimals = max(0, decimals - size_decimals)
    bands = range(1, price_decimals + 1)
    return {
        "price_scale": price_decimals,
        "size_scale": size_decimals,
        "tick_size": encode(_power(-price_decimals)),
        "tick_band_prices": [encode(_power(SIGNIFICANT - 1 - price_decimals + band)) for band in bands],
        "tick_band_sizes": [encode(_power(band - price_decimals)) for band in bands],
        "lot_size": encode(_power(-size_decimals)),
    }


def _power(exponent: int) -> str:
    """Return a power of ten as text."""
    return f"1{'0' * exponent}" if exponent >= 0 else f"0.{'0' * (-exponent - 1)}1"
