"""Texts from outside are remembered where they are short and not too many; whatever their length they give the same."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from dialects.bybit.topics import depth_of, stream_of
from dialects.catalogue import all_dialects
from schemas.decimals import encode
from schemas.encoder import compile_encoder
from schemas.remembered import LONGEST_REMEMBERED, Remembered, remembered

LONG = 100_000
TIMES = 10
HEARD = {
    "binance": b'{"stream":"%s@trade","data":{}}',
    "binance, in another order": b'{"x":1,"stream":"%s@trade","data":{}}',
    "bybit_spot": b'{"topic":"publicTrade.%s","data":[]}',
    "kraken": b'{"channel":"trade","type":"update","data":[{"symbol":"%s"}]}',
}
SCHEMA = {"type": "record", "name": "named", "fields": [{"name": "symbol", "type": "string"}, {"name": "count", "type": "long"}]}


def hearing(venue: str, frame: bytes) -> Callable[[str], object]:
    """Return what lets a session of a venue hear a frame that holds a name."""
    session = all_dialects()[venue].session()
    return lambda text: session.hear(frame % text.encode())


def writing() -> Callable[[str], object]:
    """Return what writes an event of a symbol."""
    write = compile_encoder(SCHEMA, b"head")
    return lambda text: write({"symbol": text, "count": 1})


MEMORIES: dict[str, Callable[[str], object]] = {
    "a number": lambda text: encode("1." + "0" * len(text)),
    "a topic": lambda text: stream_of(b"publicTrade." + text.encode()),
    "a depth": lambda text: depth_of("orderbook." + text),
    "a symbol of an event": writing(),
    **{f"a name that {name} says": hearing(name.partition(",")[0], frame) for name, frame in HEARD.items()},
}


def number(text: str) -> int:
    """Return a number."""
    return int(text)


@pytest.fixture
def traced() -> Iterator[None]:
    """Count what is allocated."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("name", MEMORIES)
def test_long_texts_are_not_kept(name: str, traced: None) -> None:
    """Ten long texts, each another, leave less behind than two of them."""
    MEMORIES[name]("a")
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for more in range(TIMES):
        MEMORIES[name]("a" * (LONG + more))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    assert after - before < 2 * LONG


def test_short_texts_are_made_once() -> None:
    """The same text again makes nothing; a long one does, and gives the same."""
    made: list[str] = []

    @remembered(10)
    def size(text: str) -> int:
        made.append(text)
        return len(text)

    short, long = "a" * LONGEST_REMEMBERED, "a" * (LONGEST_REMEMBERED + 1)
    assert [size(short), size(short), size(long), size(long)] == [64, 64, 65, 65]
    assert made == [short, long, long]


def test_no_more_than_so_many_are_kept() -> None:
    """At the bound all are forgotten, and come again."""
    kept = Remembered(number, 3)
    assert [kept[text] for text in ("1", "2", "3", "4", "1")] == [1, 2, 3, 4, 1]
    assert kept == {"4": 4, "1": 1}


def test_what_is_raised_is_raised_again() -> None:
    """A text of which nothing can be made is refused each time."""
    kept = Remembered(number, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            kept["a"]
    assert not kept
