"""Numbers as Hyperliquid writes them: text on the wire, though its page types some of them as numbers. Both are read, by their text.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions, `PerpsAssetCtx` and `Candle`. What has a
point is decoded to its text (`float_hook=str`), never through a float.
"""

from typing import Any

from schemas.errors import InvalidDatum

Number = Any
"""A text, or a JSON number: its text where it has a point or an exponent (float_hook), else an int."""


def written(number: Number) -> str:
    """Return a number's text; InvalidDatum where it is none."""
    if type(number) is str:
        return number
    if type(number) is int:
        return str(number)
    raise InvalidDatum(f"{number!r} is not a number")
