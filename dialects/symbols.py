"""One market, spelled in many ways: BTC/USDT, BTCUSDT, btc-usdt. Pure.

What a venue lists says which of its markets is meant (`find`), and what its base and quote are. Without that a symbol stays as it was
typed wherever it could be one of the venue's own; only a base alone, or a word for a venue whose symbols are two, is completed.
"""

from collections.abc import Collection, Iterable
from itertools import product
from typing import NamedTuple

from dialects.instruments import CURRENCIES, currency

QUOTES = (
    "FDUSD",
    "USDT",
    "USDC",
    "TUSD",
    "BUSD",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BRL",
    "AUD",
    "CAD",
    "CHF",
    "BTC",
    "ETH",
    "BNB",
    "XBT",
)
"""Quote currencies that may end a symbol written in one word, longest first where one ends another: a hint, where no list can be had."""
SHORTEST_BASE = 3
"""Letters that a base has which nobody here knows: `DOTUSD` ends with TUSD, but its base is DOT."""
SEPARATORS = "/-_: "


class Listed(NamedTuple):
    """One market of a venue, by its own list: its symbol, base and quote."""

    symbol: str
    base: str
    quote: str


def plain(symbol: str) -> str:
    """Return a symbol without separators, in capitals: the form by which spellings are compared."""
    return "".join(character for character in symbol.upper() if character not in SEPARATORS)


def split(symbol: str) -> tuple[str, str]:
    """Return base and quote currency, in capitals; the quote is empty where the symbol names a base alone (`BTC`)."""
    text = symbol.upper()
    for separator in SEPARATORS:
        base, found, quote = text.partition(separator)
        if found:
            return base, quote
    parts = [(text.removesuffix(quote), quote) for quote in QUOTES if text.endswith(quote) and len(text) > len(quote)]
    known = [(base, quote) for base, quote in parts if base in QUOTES or base in CURRENCIES]
    likely = [(base, quote) for base, quote in parts if len(base) >= SHORTEST_BASE]
    return next(iter((*known, *likely, *parts)), (text, ""))


def find(symbol: str, listed: Iterable[Listed], quote: str) -> str | None:
    """Return the venue's spelling of a market that it lists, however it was typed; of a base alone, that against `quote`. None: no such.

    Currencies by any of their names: XBT is BTC.
    """
    in_parts: dict[tuple[str, str], str] = {}
    in_one_word: dict[str, str] = {}
    alone: dict[str, str] = {}
    for one in listed:
        in_one_word[plain(one.symbol)] = one.symbol
        for parts in product(_names(one.base), _names(one.quote)):
            in_parts.setdefault(parts, one.symbol)
            in_one_word.setdefault("".join(parts), one.symbol)
        if currency(one.quote) == currency(quote):
            alone |= dict.fromkeys(_names(one.base), one.symbol)
    text = symbol.strip().upper()
    if any(separator in text for separator in SEPARATORS):
        base, said = split(text)
        return in_parts.get((base, said)) or in_one_word.get(plain(text))
    return in_one_word.get(text) or alone.get(text)


def _names(text: str) -> tuple[str, ...]:
    """Return a currency's names: the one given, the common one, and the old ones."""
    common = currency(text)
    return tuple(dict.fromkeys((text.upper(), common, *(old for old, new in CURRENCIES.items() if new == common))))


def spell(symbol: str, like: str, known: Collection[str] = ()) -> str:
    """Return a symbol in the spelling of another of the same venue; a base alone takes the other's quote currency.

    Where the venue writes a market in one word, a word that may be two currencies is left as it was typed, whatever the second is: it may
    be any market of the venue's own. It may not where it makes a market of `known` or `like`, or no currency of these is part of it.
    """
    other_base, other_quote = split(like)
    between = like[len(other_base) : len(like) - len(other_quote)]
    text = symbol.strip().upper()
    if not between and plain(text) == text:
        completed = f"{text}{other_quote}"
        return _as(
            completed if completed in {like.upper(), *known} or not _may_be_two(text, {*QUOTES, *bases((like, *known))}) else text, like
        )
    base, quote = split(symbol)
    if "XBT" not in like.upper():
        base, quote = currency(base), currency(quote)
    return _as(f"{base}{between}{quote or other_quote}", like)


def _may_be_two(word: str, currencies: Collection[str]) -> bool:
    """Whether a word may be two currencies: it begins or ends with one that is known, and the rest is long enough for another."""
    longest = len(word) - SHORTEST_BASE
    return any(len(one) <= longest and (word.startswith(one) or word.endswith(one)) for one in currencies)


def _as(symbol: str, like: str) -> str:
    return symbol.lower() if like.islower() else symbol


def bases(symbols: Iterable[str]) -> tuple[str, ...]:
    """Return the base currencies of symbols, each once, in order."""
    return tuple(dict.fromkeys(split(symbol)[0] for symbol in symbols))
