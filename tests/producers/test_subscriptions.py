from dialects.stream import Stream
from producers.subscriptions import Subscriptions

TRADES = Stream("trade", "BTCUSDT")
BOOK = Stream("book", "BTCUSDT")
NONE: frozenset[Stream] = frozenset()
SILENT = frozenset({TRADES})
"""Said to be silent."""


def test_what_is_not_confirmed_is_asked_for_again_then_given_up() -> None:
    """A stream without an answer is named once after the time to confirm, and is unrecoverable after as long again."""
    subscriptions = Subscriptions((TRADES, BOOK), {}, confirm_seconds=10)
    subscriptions.ask((TRADES, BOOK), 0)
    subscriptions.confirm((BOOK,), 1)
    assert subscriptions.check(9, NONE).unconfirmed == []
    assert subscriptions.check(10, NONE).unconfirmed == [TRADES]
    assert subscriptions.check(11, NONE).unconfirmed == []
    subscriptions.ask((TRADES,), 11)
    found = subscriptions.check(21, NONE)
    assert (found.unconfirmed, found.unrecoverable) == ([], [TRADES])


def test_a_refused_stream_is_left_alone() -> None:
    """The venue's refusal stops the waiting for that stream and no other."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 1}, confirm_seconds=10)
    subscriptions.ask((TRADES, BOOK), 0)
    assert subscriptions.refuse(TRADES)
    assert subscriptions.waiting() == {BOOK}
    assert subscriptions.check(10, NONE).unconfirmed == [BOOK]


def test_a_refused_stream_is_asked_for_again_later() -> None:
    """After a minute, and after twice as long each time up to an hour, until the venue confirms it: then it is a stream as any."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.ask((TRADES, BOOK), 0)
    subscriptions.confirm((BOOK,), 1)
    assert subscriptions.refuse(TRADES)
    asked = [at for at in range(1, 20_000) if subscriptions.check(at, NONE).refused == [TRADES]]
    assert asked == [61, 181, 421, 901, 1861, 3781, 7381, 10_981, 14_581, 18_181]
    assert subscriptions.waiting() == set()
    assert subscriptions.confirm((TRADES,), 20_000) == [TRADES]
    assert subscriptions.refused() == set()
    assert subscriptions.check(20_005, NONE).silent == [TRADES]


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
    assert subscriptions.check(4.9, NONE).silent == []
    found = subscriptions.check(5, NONE)
    assert found.silent == [TRADES]
    assert found.unrecoverable == []
    assert subscriptions.check(9.9, SILENT).unrecoverable == []
    assert subscriptions.check(10, SILENT).unrecoverable == [TRADES]
    assert subscriptions.check(10.1, SILENT).unrecoverable == []
    assert subscriptions.check(15, SILENT).unrecoverable == [TRADES]


def test_speaking_again_ends_the_silence() -> None:
    """The first frame after a silence is told once, and silence counts from it."""
    subscriptions = Subscriptions((TRADES,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.heard[TRADES] = 1_000
    assert subscriptions.check(1, NONE).silent == []
    assert subscriptions.check(6, NONE).silent == [TRADES]
    subscriptions.heard[TRADES] = 2_000
    assert subscriptions.check(7, SILENT).resumed == [TRADES]
    assert subscriptions.check(11.9, NONE).silent == []
    assert subscriptions.check(12, NONE).silent == [TRADES]


def test_a_jump_of_the_wall_clock_is_no_silence() -> None:
    """Silence is measured on the monotonic clock: the receipt times only say that something came."""
    subscriptions = Subscriptions((TRADES,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.heard[TRADES] = 5_000_000_000
    assert subscriptions.check(1, NONE).silent == []
    subscriptions.heard[TRADES] = 1
    assert subscriptions.check(4, NONE).silent == []
    assert subscriptions.check(8.9, NONE).silent == []


def test_a_channel_without_a_limit_may_be_quiet_for_ever() -> None:
    """Instruments change once a day."""
    subscriptions = Subscriptions((BOOK,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((BOOK,), 0)
    assert subscriptions.check(1e6, NONE).silent == []


def test_time_in_which_we_did_not_listen_is_no_silence() -> None:
    """A process that was stopped for a minute gives every stream its whole limit again, less what it was quiet before."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.ask((BOOK,), 0)
    found = subscriptions.check(62, NONE, unwatched=60)
    assert (found.silent, found.unconfirmed) == ([], [])
    assert subscriptions.check(64.9, NONE).silent == []
    assert subscriptions.check(65, NONE).silent == [TRADES]
    assert subscriptions.check(69.9, NONE).unconfirmed == []
    assert subscriptions.check(70, NONE).unconfirmed == [BOOK]


def test_a_silence_goes_on_on_the_next_connection() -> None:
    """What another connection said to be silent is not said again; its first word here ends it, and no word leaves it unrecoverable."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES, BOOK), 100)
    assert subscriptions.check(105, SILENT).silent == []
    assert subscriptions.check(110, SILENT).unrecoverable == [TRADES]
    subscriptions.heard[TRADES] = 1
    assert subscriptions.check(111, SILENT).resumed == [TRADES]


def test_a_silence_that_ended_elsewhere_is_found_anew_here() -> None:
    """Where another connection heard the stream and this one does not, it falls silent again, and that is told."""
    subscriptions = Subscriptions((TRADES,), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    assert subscriptions.check(4, SILENT).silent == []
    assert subscriptions.check(6, NONE).silent == [TRADES]


def test_frames_that_nobody_can_place_prove_no_silence() -> None:
    """While frames come whose stream cannot be told, none is called silent for it; an answer that is owed is asked for again."""
    subscriptions = Subscriptions((TRADES, BOOK), {"trade": 5}, confirm_seconds=10)
    subscriptions.confirm((TRADES,), 0)
    subscriptions.ask((BOOK,), 0)
    assert subscriptions.check(6, NONE, unheard=True).silent == []
    assert subscriptions.check(10, NONE, unheard=True).unconfirmed == [BOOK]
    assert subscriptions.check(14.9, NONE).silent == []
    assert subscriptions.check(15, NONE).silent == [TRADES]
