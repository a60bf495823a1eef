from dialects.contract import Stream
from producers.subscriptions import Subscriptions

TRADES = Stream("trade", "BTCUSDT")
BOOK = Stream("book", "BTCUSDT")


def test_what_is_not_confirmed_is_asked_for_again_then_given_up() -> None:
    """A stream without an answer is named once after the time to confirm, and is hopeless after as long again."""
    subscriptions = Subscriptions((TRADES, BOOK), {}, confirm_seconds=10)
    subscriptions.ask((TRADES, BOOK), 0)
    subscriptions.confirm((BOOK,), 1)
    assert subscriptions.check(9).unconfirmed == []
    assert subscriptions.check(10).unconfirmed == [TRADES]
    assert subscriptions.check(11).unconfirmed == []
    subscriptions.ask((TRADES,), 11)
    found = subscriptions.check(21)
    assert (found.unconfirmed, found.hopeless) == ([], [TRADES])


def test_a_refused_stream_is_left_alone() -> None:
    """The venue's refusal stops the waiting for that stream and no other."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 1}, confirm_seconds=10)
    subscriptions.ask((TRADES, BOOK), 0)
    assert subscriptions.refuse(TRADES)
    assert subscriptions.waiting() == {BOOK}
    assert subscriptions.check(10).unconfirmed == [BOOK]


def test_a_refusal_after_the_confirmation_changes_nothing() -> None:
    """`Already subscribed`, after asking twice, is no refusal of the stream."""
    subscriptions = Subscriptions((TRADES,), {}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    assert not subscriptions.refuse(TRADES)
    assert subscriptions.is_confirmed(TRADES)


def test_a_confirmed_stream_that_never_spoke_is_silent() -> None:
    """Silence counts from the confirmation: a stream that is acknowledged and delivers nothing is found."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES, BOOK), 0)
    assert subscriptions.check(4.9).silent == []
    found = subscriptions.check(5)
    assert found.silent == [TRADES]
    assert found.hopeless == []
    assert subscriptions.check(9.9).hopeless == []
    assert subscriptions.check(10).hopeless == [TRADES]
    assert subscriptions.check(10.1).hopeless == []
    assert subscriptions.check(15).hopeless == [TRADES]


def test_speaking_again_ends_the_silence() -> None:
    """The first frame after a silence is told once, and silence counts from it."""
    subscriptions = Subscriptions((TRADES,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.heard[TRADES] = 1_000
    assert subscriptions.check(1).silent == []
    assert subscriptions.check(6).silent == [TRADES]
    subscriptions.heard[TRADES] = 2_000
    assert subscriptions.check(7).resumed == [TRADES]
    assert subscriptions.check(11.9).silent == []
    assert subscriptions.check(12).silent == [TRADES]


def test_a_jump_of_the_wall_clock_is_no_silence() -> None:
    """Silence is measured on the monotonic clock: the receipt times only say that something came."""
    subscriptions = Subscriptions((TRADES,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.heard[TRADES] = 5_000_000_000
    assert subscriptions.check(1).silent == []
    subscriptions.heard[TRADES] = 1
    assert subscriptions.check(4).silent == []
    assert subscriptions.check(8.9).silent == []


def test_a_channel_without_a_limit_may_be_quiet_for_ever() -> None:
    """Instruments change once a day."""
    subscriptions = Subscriptions((BOOK,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((BOOK,), 0)
    assert subscriptions.check(1e6).silent == []


def test_time_in_which_we_did_not_listen_is_no_silence() -> None:
    """A process that was stopped for a minute gives every stream its whole limit again, less what it was quiet before."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.ask((BOOK,), 0)
    found = subscriptions.check(62, unwatched=60)
    assert (found.silent, found.unconfirmed) == ([], [])
    assert subscriptions.check(64.9).silent == []
    assert subscriptions.check(65).silent == [TRADES]
    assert subscriptions.check(69.9).unconfirmed == []
    assert subscriptions.check(70).unconfirmed == [BOOK]
