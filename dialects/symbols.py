"""One market, spelled in many ways: BTC/USDT, BTCUSDT, btc-usdt. Pure."""

from collections.abc import Iterable

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
"""Quote currencies that end a symbol written in one word, longest first where one ends another."""
SEPARATORS = "/-_: "


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
    for quote in QUOTES:
        if text.endswith(quote) and len(text) > len(quote):
            return text.removesuffix(quote), quote
    return text, ""


def spell(symbol: str, like: str) -> str:
    """Return a symbol in the spelling of another of the same venue; a base alone takes the other's quote currency."""
    base, quote = split(symbol)
    other_base, other_quote = split(like)
    between = like[len(other_base) : len(like) - len(other_quote)]
    spelled = f"{base}{between}{quote or other_quote}"
    return spelled.lower() if like.islower() else spelled


def bases(symbols: Iterable[str]) -> tuple[str, ...]:
    """Return the base currencies of symbols, each once, in order."""
    return tuple(dict.fromkeys(split(symbol)[0] for symbol in symbols))
