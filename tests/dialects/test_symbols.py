"""One market, many spellings."""

import pytest

from dialects.catalogue import all_dialects
from dialects.symbols import QUOTES, bases, plain, spell, split


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTC/USDT", ("BTC", "USDT")),
        ("btc-usdt", ("BTC", "USDT")),
        ("BTC_USDT", ("BTC", "USDT")),
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("USDT-USD", ("USDT", "USD")),
        ("BTC", ("BTC", "")),
        ("USDT", ("USDT", "")),
        ("sol", ("SOL", "")),
    ],
)
def test_base_and_quote(symbol: str, parts: tuple[str, str]) -> None:
    """A separator decides where there is one, else the longest known quote currency; a currency alone is a base."""
    assert split(symbol) == parts


def test_no_quote_currency_hides_another() -> None:
    """Where one currency ends another, the longer is tried first."""
    for place, quote in enumerate(QUOTES):
        assert not [longer for longer in QUOTES[place + 1 :] if longer.endswith(quote)]


@pytest.mark.parametrize(
    ("symbol", "like", "spelled"),
    [
        ("btc/usdt", "ETHUSDT", "BTCUSDT"),
        ("BTCUSDT", "ETH/USD", "BTC/USDT"),
        ("sol", "ETH/USD", "SOL/USD"),
        ("SOL-EUR", "btcusdt", "soleur"),
        ("sol", "BTC-PERP", "SOL-PERP"),
    ],
)
def test_spelled_as_the_venue_does(symbol: str, like: str, spelled: str) -> None:
    """Separator, capitals and a missing quote currency are taken from a symbol of the venue."""
    assert spell(symbol, like) == spelled


def test_default_symbols_are_in_their_own_spelling() -> None:
    """Each dialect's symbols survive being spelled like one another."""
    for dialect in all_dialects().values():
        assert [spell(symbol, dialect.default_symbols[0]) for symbol in dialect.default_symbols] == list(dialect.default_symbols)


def test_spellings_compare_equal() -> None:
    """Without separators and in capitals all spellings are one; bases are told once each."""
    assert {plain(symbol) for symbol in ("BTC/USDT", "btc-usdt", "BTC_USDT", "btc usdt", "BTC:USDT", "BTCUSDT")} == {"BTCUSDT"}
    assert bases(["BTC/USD", "BTCUSDT", "eth-usd"]) == ("BTC", "ETH")
