"""What a venue's counter of a connection says in events and in gaps: each true loss, whatever comes between, over checkpoints too."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dialects import notices
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from processors.detect_gaps.connections import Counters
from tests.dialects.test_counter import losses, numbers_of, truth
from tests.examples import examples
from tests.processors.normalise.feeding import TRADE, frame
from tests.processors.normalise.test_core import Counting

STRAY = 999_999_999_999_999_999


def frames_of(numbers: list[int]) -> list[Frame]:
    """Return frames of trades with the venue's own numbers."""
    payloads = [(TRADE % place).replace(b'{"stream"', b'{"sequence_num":%d,"stream"' % number) for place, number in enumerate(numbers, 1)]
    return [frame(place, payload) for place, payload in enumerate(payloads, 1)]


def lost(made: Any) -> list[int]:
    """Return `venue_lost` of each event."""
    return [one.record["venue_lost"] for one in made if isinstance(one, NormalisedEvent)]


def one_by_one(frames: list[Frame]) -> list[int]:
    """Return `venue_lost` of each event where a checkpoint lies between any two frames."""
    entries: dict[str, bytes] = {}
    found: list[int] = []
    for offset, one in enumerate(frames):
        normaliser = Normaliser({"binance": Counting()}, entries)
        found += lost(normaliser.apply([(offset, one)]))
        entries |= {name: data for name, data in normaliser.dump().items() if data is not None}
    return found


@given(losses, st.integers(0, 12))
@examples(40)
def test_events_carry_true_losses_only(before_each: list[int], place: int) -> None:
    """A stray anywhere: `venue_lost` of each event is what was truly lost up to it; one by one and as a block."""
    numbers = numbers_of(0, before_each)
    place = min(place, len(numbers))
    truly = [len(truth(numbers[: at + 1])) for at in range(len(numbers))]
    wanted = [*truly[:place], truly[place - 1] if place else 0, *truly[place:]]
    frames = frames_of([*numbers[:place], STRAY, *numbers[place:]])

    assert one_by_one(frames) == wanted
    at_once = Normaliser({"binance": Counting()}).apply_block(range(len(frames)), [list(column) for column in zip(*frames, strict=True)])
    assert lost(at_once) == wanted


def test_a_loss_of_very_many_is_carried_from_the_message_after_it_on() -> None:
    """The first that comes after it may be a stray; the next says that it was none."""
    assert one_by_one(frames_of([0, 1, 500_000, 500_001, 500_003])) == [0, 0, 0, 499_998, 499_999]
    assert one_by_one(frames_of([0, 1, 50_000, 50_001])) == [0, 0, 49_998, 49_998]


def counters_of(entries: dict[str, bytes] | None = None) -> Counters:
    """Return counters of connections whose every channel tells."""
    return Counters(lambda _venue, _channel: True, entries or {})


def gaps_of(numbers: list[int], *, closes: bool = False) -> list[tuple[str, str]]:
    """Return cause and reason of each gap that ends, where a checkpoint lies between any two frames."""
    counters, entries, made = counters_of(), dict[str, bytes](), []
    counters.notice("v", "live", "a", notices.decode(notices.encode("confirmed", streams=[("quote", "S")])))
    for at, number in enumerate(numbers, 1):
        made += counters.see("v", "live", "a", number, at, ours=0)
        entries |= {name: data for name, data in counters.dump().items() if data is not None}
        counters = counters_of(entries)
    if closes:
        made += counters.notice("v", "live", "a", notices.decode(notices.encode("closed")))
    return [(gap["cause"], str(gap["repair"]).partition(" of the connection")[0]) for gap in made if gap["state"] != "open"]


def test_gaps_are_of_true_losses_only() -> None:
    """A stray before the loss, in it, behind it: told is the loss, as without it."""
    numbers = [0, 1, 2, 3, 4, 7, 8]
    for place in range(len(numbers) + 1):
        assert gaps_of([*numbers[:place], STRAY, *numbers[place:]]) == [("wire", "messages 5 to 6")]


def test_a_loss_of_very_many_is_a_gap() -> None:
    """Told once a message goes on from behind it; one that came within it is named."""
    assert gaps_of([0, 1, 500_000]) == []
    assert gaps_of([0, 1, 500_000, 500_001]) == [("wire", "messages 2 to 499999")]
    assert gaps_of([0, 1, 500_000, 500_003]) == [("wire", "messages 2 to 500002, all but 500000,")]


def test_a_number_far_ahead_that_nothing_follows_is_told_as_that() -> None:
    """Where its connection ends, nobody can say whether it was a stray: some may be lost, and the gap says why."""
    ((cause, reason),) = gaps_of([0, 1, STRAY], closes=True)
    assert (cause, reason) == ("wire", f"its last message had the number {STRAY} where 2 was due: some may be lost before it")
    assert gaps_of([0, 1, STRAY, 2], closes=True) == []
