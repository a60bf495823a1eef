from dataclasses import replace
from typing import ClassVar

import pytest

from dialects.catalogue import dialect
from dialects.stream import Stream
from producers import plan
from topology.errors import Fatal
from topology.settings import Producer, Venue


def test_settings_choose_symbols_and_channels() -> None:
    """Every chosen channel of every chosen symbol is a stream."""
    wanted = plan.streams(dialect("binance"), Venue(symbols=("BTCUSDT", "ETHUSDT"), channels=("trade", "book")))
    assert wanted == [Stream("trade", "BTCUSDT"), Stream("book", "BTCUSDT"), Stream("trade", "ETHUSDT"), Stream("book", "ETHUSDT")]


def test_defaults_are_the_dialects() -> None:
    """Without settings, the dialect's default symbols and channels; a channel of the whole venue once."""
    kraken = dialect("kraken")
    wanted = plan.streams(kraken, Venue())
    assert wanted[0] == Stream("instrument", "")
    assert {stream.symbol for stream in wanted[1:]} == set(kraken.default_symbols)


def test_a_channel_that_is_not_by_default_must_be_named() -> None:
    """Where settings name no channels it is left out; where they name it, it is carried with the others they name, and no more."""
    own = {name: replace(one, by_default=name != "instrument") for name, one in dialect("binance").channels.items()}

    class Choosy(type(dialect("binance"))):  # type: ignore[misc] # the venue's class, with a channel less by default
        channels = own

    assert {stream.channel for stream in plan.streams(Choosy(), Venue())} == {"trade", "book", "quote"}
    named = plan.streams(Choosy(), Venue(symbols=("BTCUSDT",), channels=("instrument", "trade")))
    assert named == [Stream("trade", "BTCUSDT"), Stream("instrument", "BTCUSDT")]


def test_what_a_channel_needs_is_carried_with_it() -> None:
    """Kraken's checksums are made with the pairs' decimals, which its instrument channel alone says; nothing else needs them."""
    kraken = dialect("kraken")
    assert plan.streams(kraken, Venue(symbols=("BTC/USD",), channels=("book",))) == [Stream("instrument", ""), Stream("book", "BTC/USD")]
    assert plan.streams(kraken, Venue(symbols=("BTC/USD",), channels=("trade",))) == [Stream("trade", "BTC/USD")]


def test_a_symbol_is_asked_for_the_channels_that_it_has() -> None:
    """What a symbol, by its spelling, cannot have is not among the streams, by default or by name."""

    class Careful(type(dialect("binance"))):  # type: ignore[misc] # the venue's class, one of whose symbols has no book
        def has(self, stream: Stream) -> bool:
            return stream != Stream("book", "BTCUSDT")

    wanted = plan.streams(Careful(), Venue(symbols=("BTCUSDT", "ETHUSDT"), channels=("trade", "book")))
    assert wanted == [Stream("trade", "BTCUSDT"), Stream("trade", "ETHUSDT"), Stream("book", "ETHUSDT")]


def test_an_unknown_channel_is_refused_at_start() -> None:
    """A misspelt channel names the setting and what there is."""
    with pytest.raises(Fatal, match=r"venues\.binance\.channels \(trade, book, quote, instrument\)"):
        plan.streams(dialect("binance"), Venue(channels=("trades",)))


def test_connections_hold_no_more_streams_than_allowed() -> None:
    """Streams are split without loss; the channel of the whole venue goes with each connection."""
    kraken, whole = dialect("kraken"), Stream("instrument", "")
    others = [Stream("trade", str(number)) for number in range(25)]
    shards = plan.shards(kraken, [whole, *others], 10)
    assert all(len(shard) <= 10 and shard[0] == whole for shard in shards)
    assert [stream for shard in shards for stream in shard if stream != whole] == others


def test_connections_are_rotated_before_the_venue_ends_them() -> None:
    """The venue's limit less rotate_before; a setting of its own overrides; no limit, no rotation."""
    assert plan.lifetime(dialect("binance"), Producer(rotate_before=600)) == 86_400 - 600
    assert plan.lifetime(dialect("binance"), Producer(lifetime_seconds=7)) == 7
    assert plan.lifetime(dialect("kraken"), Producer()) == 0


def test_addresses_come_from_settings_first() -> None:
    """An address that is not set is the venue's own."""
    where = plan.endpoints(dialect("binance"), Venue(websocket="ws://127.0.0.1:1/"))
    assert where.websocket == "ws://127.0.0.1:1"
    assert where.rest == dialect("binance").production.rest


def test_polled_streams_are_on_no_connection() -> None:
    """What is asked for over REST is polled, and subscribed nowhere."""
    binance = dialect("binance")
    wanted = plan.streams(binance, Venue(symbols=("BTCUSDT",)))
    assert Stream("instrument", "BTCUSDT") in wanted
    assert [stream.channel for together in plan.connections(binance, wanted) for stream in together] == ["trade", "book", "quote"]
    assert [poll.streams for poll in plan.polled(binance, wanted)] == [(Stream("instrument", "BTCUSDT"),)]


def test_streams_of_several_addresses_share_no_connection() -> None:
    """Where a venue pushes its channels on addresses of their own each connection carries those of one, no more than it may."""
    binance = dialect("binance")

    class Routed(type(binance)):  # type: ignore[misc] # the venue's class, with addresses of its channels
        channels: ClassVar = {name: replace(channel, route="fast" if name == "quote" else "") for name, channel in binance.channels.items()}
        limits = replace(binance.limits, streams_per_connection=3)

    wanted = plan.streams(Routed(), Venue(symbols=("BTCUSDT", "ETHUSDT")))
    assert [[(stream.channel, stream.symbol) for stream in together] for together in plan.connections(Routed(), wanted)] == [
        [("trade", "BTCUSDT"), ("book", "BTCUSDT"), ("trade", "ETHUSDT")],
        [("book", "ETHUSDT")],
        [("quote", "BTCUSDT"), ("quote", "ETHUSDT")],
    ]


def test_more_than_an_address_may_carry_is_refused_at_start() -> None:
    """Too many connections or streams for one address are refused with what to do."""

    class Modest(type(dialect("binance"))):  # type: ignore[misc] # the venue's class, with limits of its own
        limits = replace(dialect("binance").limits, connections_per_address=2, streams_per_connection=10)

    wanted = [Stream("trade", f"S{number}USDT") for number in range(21)]
    assert len(plan.connections(Modest(), wanted[:20])) == 2
    with pytest.raises(Fatal, match=r"allows 2 connections .* 3 and 21 are wanted: name fewer in venues\.binance\.symbols"):
        plan.connections(Modest(), wanted)
