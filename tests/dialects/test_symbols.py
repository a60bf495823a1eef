"""One market, many spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.symbols import QUOTES, Listed, bases, find, plain, spell, split


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
        ("XBTUSD", ("XBT", "USD")),
        ("DOTUSD", ("DOT", "USD")),
        ("SOLFDUSD", ("SOL", "FDUSD")),
        ("BTCTUSD", ("BTC", "TUSD")),
    ],
)
def test_base_and_quote(symbol: str, parts: tuple[str, str]) -> None:
    """A separator decides, else the longest quote currency that leaves a base; a currency alone is a base."""
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
        ("BNBUSD1", "BTCUSDT", "BNBUSD1"),
        ("btceuri", "BTCUSDT", "BTCEURI"),
        ("BTCMXN", "BTCUSDT", "BTCMXN"),
        ("USDTARS", "BTCUSDT", "USDTARS"),
        ("SOL", "BTCUSDT", "SOLUSDT"),
        ("BTC", "BTCUSDT", "BTCUSDT"),
        ("BTC", "ETHUSDT", "BTCUSDT"),
        ("XBTUSD", "BTC/USD", "BTC/USD"),
        ("XBT/USD", "BTC/USD", "BTC/USD"),
        ("xdg-eur", "BTC/USD", "DOGE/EUR"),
        ("BTC/USD", "XBT/USD", "BTC/USD"),
    ],
)
def test_spelled_as_the_venue_does(symbol: str, like: str, spelled: str) -> None:
    """Separator, capitals and a base's quote currency are taken from the venue; a word that may be the venue's own stays as typed."""
    assert spell(symbol, like) == spelled


def test_a_base_alone_is_known_by_the_markets_there_are() -> None:
    """Where a venue writes markets in one word, a word of a known currency and more is as typed, unless it makes a market that is known."""
    known = {"BTCUSDT", "SOLUSDT", "ETHFIUSDT"}
    typed = ("sol", "ethfi", "PEPE", "SOLMXN", "MXNSOL", "ethh", "NOPE")
    spelled = ["SOLUSDT", "ETHFIUSDT", "PEPEUSDT", "SOLMXN", "MXNSOL", "ETHHUSDT", "NOPEUSDT"]
    assert [spell(one, "BTCUSDT", known) for one in typed] == spelled


BINANCE = [
    Listed(*one) for one in (("BNBUSD1", "BNB", "USD1"), ("BTCUSDT", "BTC", "USDT"), ("SOLMXN", "SOL", "MXN"), ("SOLUSDT", "SOL", "USDT"))
]
KRAKEN = [Listed("BTC/USD", "BTC", "USD"), Listed("DOGE/EUR", "DOGE", "EUR"), Listed("AB/CD", "AB", "CD"), Listed("A/BCD", "A", "BCD")]


@pytest.mark.parametrize(
    ("listed", "typed", "found"),
    [
        (BINANCE, "bnbusd1", "BNBUSD1"),
        (BINANCE, "BNB/USD1", "BNBUSD1"),
        (BINANCE, "sol", "SOLUSDT"),
        (BINANCE, "SOL-MXN", "SOLMXN"),
        (BINANCE, " solmxn ", "SOLMXN"),
        (BINANCE, "xbt/usdt", "BTCUSDT"),
        (BINANCE, "XBT", "BTCUSDT"),
        (BINANCE, "BNB", None),
        (BINANCE, "SOLEUR", None),
        (BINANCE, "SOL/EUR", None),
        (BINANCE, "", None),
        (KRAKEN, "XBTUSD", "BTC/USD"),
        (KRAKEN, "XBT/USD", "BTC/USD"),
        (KRAKEN, "btcusd", "BTC/USD"),
        (KRAKEN, "XDG-EUR", "DOGE/EUR"),
        (KRAKEN, "DOGE", None),
        (KRAKEN, "A-BCD", "A/BCD"),
        (KRAKEN, "AB-CD", "AB/CD"),
    ],
)
def test_what_the_venue_lists_says_what_is_meant(listed: list[Listed], typed: str, found: str | None) -> None:
    """However it was typed, with old names too; a base alone is that against the venue's usual quote; what is not listed is not found."""
    assert find(typed, listed, "USDT" if listed is BINANCE else "USD") == found


@given(st.text("ABCUSDT1/-_: ", max_size=12))
def test_no_spelling_is_invented(typed: str) -> None:
    """What is found is always a market of the list, whatever was typed."""
    assert find(typed, BINANCE, "USDT") in {None, *(one.symbol for one in BINANCE)}


def test_default_symbols_are_in_their_own_spelling() -> None:
    """Each dialect's symbols survive being spelled like one another."""
    for dialect in all_dialects().values():
        like = dialect.default_symbols
        assert [spell(symbol, like[0]) for symbol in like] == list(like)


def test_spellings_compare_equal() -> None:
    """Without separators and in capitals all spellings are one; bases are told once each."""
    assert {plain(symbol) for symbol in ("BTC/USDT", "btc-usdt", "BTC_USDT", "btc usdt", "BTC:USDT", "BTCUSDT")} == {"BTCUSDT"}
    assert bases(["BTC/USD", "BTCUSDT", "eth-usd"]) == ("BTC", "ETH")
