"""The judge of continuity before any feed: losses, repeats, resets and what is early are told apart, whatever comes."""

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import rules
from dialects.continuity import Finding, Kind, Place, Rule, Step
from dialects.judge import LAG, SKEW, covered, is_past, joins, judge, moved_on
from tests.dialects.test_continuity import SECOND, chain
from tests.examples import examples

NEXT, REPEAT, HOLE, SUSPECT, RESET, RETURN = Finding


RULES = {
    "counted": rules.TRADES_COUNTED,
    "ranges": rules.BINANCE_SPOT_BOOK,
    "linked": rules.OKX_BOOK,
    "futures": rules.BINANCE_FUTURES_BOOK,
}


HOUR = 3600 * SECOND
off = st.one_of(st.integers(-2 * HOUR, SKEW), st.integers(SKEW - 50_000, SKEW + 50_000), st.integers(SKEW, 2 * HOUR))
"""How far the venue's clock may be ahead of ours, or behind (negative): microseconds."""


def misdated(steps: Iterable[Step], rng: random.Random, ahead: int, share: float) -> list[Step]:
    """Return steps by a clock that is ahead by so much, some with a time that has nothing to do with the truth."""
    told: list[Step] = []
    for step in steps:
        by = (
            rng.choice([-(10**9), -20 * HOUR, -9 * SECOND, 6 * SECOND, 14 * SECOND, HOUR, 20 * HOUR, 10**18])
            if rng.random() < share
            else ahead
        )
        told.append(msgspec.structs.replace(step, event_time=step.received_at + by))
    return told


def feed(rule: Rule, rng: random.Random, length: int) -> list[Step]:
    """Return an unbroken chain of a rule, ten milliseconds apart."""
    steps, last = [], rng.randint(0, 1000)
    for at in range(length):
        time = at * 10_000
        previous = last
        first = last + 1 if rule.kind is not Kind.LINKED else last + rng.randint(1, 9)
        last = first if rule.kind is Kind.COUNTED else first + rng.randint(0, 5)
        steps.append(Step(first, last, "a", time, time, previous=previous if rule.kind is Kind.LINKED else None))
    return steps


def holes(rule: Rule, steps: Sequence[Step]) -> tuple[list[tuple[int | None, int | None]], list[Finding]]:
    """Return the holes told in a chain, and all findings."""
    told = chain(rule, steps)
    return [row[1:] for row in told if row[0] is HOLE], [row[0] for row in told]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(seed=st.integers(0, 2**32), length=st.integers(3, 60), ahead=off, share=st.sampled_from([0.0, 0.2]))
@examples(250)
def test_every_loss_is_told_once_and_nothing_else(rule: Rule, seed: int, length: int, ahead: int, share: float) -> None:
    """Whatever is dropped from a chain, repeated, sent over a second connection, or dated: the holes are exactly what never came."""
    rng = random.Random(seed)
    whole = misdated(feed(rule, rng, length), rng, ahead, share)
    kept = [step for place, step in enumerate(whole) if place == 0 or rng.random() > 0.2]
    sent: list[Step] = []
    for place, step in enumerate(kept):
        sent.append(step)
        if rng.random() < 0.3:  # again, later, over another connection
            again = kept[rng.randint(max(0, place - 3), place)]
            sent.append(Step(again.first, again.last, "b", step.received_at + 1, again.event_time, previous=again.previous))

    told, findings = holes(rule, sent)

    assert not {RESET, RETURN} & set(findings)
    missing = []
    for one, other in pairwise(kept):
        begin_, end = covered(rule, other)[0], one.last
        if end is not None and begin_ > end + 1:
            missing.append((end + 1, begin_ - 1))
    assert told == missing


@pytest.mark.parametrize("rule", [RULES["counted"], RULES["ranges"], RULES["linked"]], ids=["counted", "ranges", "linked"])
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(3, 40),
    after=st.integers(2, 30),
    clock=st.one_of(st.tuples(st.just(20), st.integers(-5 * SECOND, SKEW)), st.tuples(st.just(80), off)),
    share=st.sampled_from([0.0, 0.2]),
)
@examples(250)
def test_every_reset_is_told_once(rule: Rule, seed: int, length: int, after: int, clock: tuple[int, int], share: float) -> None:
    """A count that begins again, on the same connection or another, is one reset at its first id, and no hole is told with it.

    So it is whatever single times say but those of the two that tell it, after twenty seconds, by a clock that is right or nearly so; by a
    clock that is wrong, after eighty.
    """
    rng, (quiet, ahead) = random.Random(seed), clock
    share = share if ahead >= -5 * SECOND else 0.0
    old = feed(rule, rng, length)
    base, pause = (old[0].first or 0) + 10_000, quiet * SECOND + length * 10_000
    connection = rng.choice("ab")
    old = [_moved(step, base, 0, "a") for step in old]
    new = [_moved(step, 0, pause, connection) for step in feed(rule, rng, after)]
    old = misdated(old[:-1], rng, ahead, share) + misdated(old[-1:], rng, ahead, 0)
    new = misdated(new[:2], rng, ahead, 0) + misdated(new[2:], rng, ahead, share)
    late = old[-1] if rng.random() < 0.5 and ahead <= SKEW else new[0]

    told, findings = holes(rule, [*old, *new, late])

    assert told == []
    assert findings.count(RESET) == 1
    assert findings[len(old)] is SUSPECT
    assert findings[len(old) + 1] is RESET
    assert findings[-1] is REPEAT


def _moved(step: Step, by: int, time: int, connection: str) -> Step:
    first, last, at = (step.first or 0) + by, (step.last or 0) + by, step.received_at + time
    return Step(first, last, connection, at, at, previous=None if step.previous is None else step.previous + by)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(seed=st.integers(0, 2**32), length=st.integers(4, 30), ahead=st.integers(1, 3))
@examples(150)
def test_what_is_early_is_made_good_by_what_follows(rule: Rule, seed: int, length: int, ahead: int) -> None:
    """A message that overtakes up to three others opens a hole, which exactly these fill; no reset is seen and no other hole."""
    rng = random.Random(seed)
    whole = feed(rule, rng, length)
    place = rng.randint(1, length - 2)
    early = whole.pop(min(place + ahead, len(whole) - 1))
    sent = [*whole[:place], early, *whole[place:]]

    told, findings = holes(rule, sent)

    assert not {RESET, RETURN, SUSPECT} & set(findings)
    overtaken = [step for step in whole[place:] if (step.last or 0) < (early.first or 0)]
    wanted = [(covered(rule, overtaken[0])[0], covered(rule, overtaken[-1])[1])] if overtaken else []
    assert told == wanted


numbers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 9))
counts = st.integers(0, 3)
sent = st.sampled_from(["live", "history", "reply"])
receipts = st.one_of(st.integers(0, 2**60), st.integers(0, 100).map(lambda at: at * 10 * SECOND))
steps_of_anything = st.tuples(
    st.builds(Step, numbers, numbers, st.sampled_from("ab"), receipts, numbers, counts, counts, numbers, st.booleans(), sent),
    st.one_of(st.none(), off),
).map(lambda one: one[0] if one[1] is None else msgspec.structs.replace(one[0], event_time=one[0].received_at + one[1]))


@given(st.sampled_from([one for one in vars(rules).values() if isinstance(one, Rule)]), st.lists(steps_of_anything, max_size=8))
@examples(500)
def test_nothing_that_comes_breaks_the_judge(rule: Rule, steps: list[Step]) -> None:
    """Any ids, times and counters, or none: a verdict, and a place that is that of no smaller count than the verdict says."""
    place: Place | None = None
    for step in steps:
        verdict = judge(rule, place, step)
        place = verdict.place
        assert verdict.first is None or verdict.last is None or verdict.first <= verdict.last
        if place is not None and place.last is not None and step.last is not None:
            joins(rule, place.last, step)
            assert is_past(place, step) in {True, False}
        for time in (place.newest, place.ended, place.time) if place is not None else ():
            assert time is None or time <= max(one.received_at for one in steps) + SKEW + LAG


@given(st.sampled_from([one for one in vars(rules).values() if isinstance(one, Rule)]), st.lists(steps_of_anything, max_size=4), st.data())
@examples(500)
def test_the_short_way_is_the_judges(rule: Rule, steps: list[Step], data: st.DataObject) -> None:
    """Where a place is moved on without the judge, the judge would have found the same place; else nothing has changed."""
    place: Place | None = None
    for step in steps:
        place = judge(rule, place, step).place
    if place is None or place.last is None:
        return
    first, last = place.last + 1, place.last + 1 + data.draw(st.integers(0, 2))
    connection, at = data.draw(st.sampled_from([place.connection_id, "b"])), place.received_at + data.draw(st.integers(-1, 5))
    time = data.draw(st.one_of(numbers, off.map(lambda ahead: at + ahead)))
    step = Step(first, last, connection, at, time, 3, 4)
    before, verdict = msgspec.structs.replace(place), judge(rule, place, step)

    if moved_on(rule, place, first, last, connection, at, time, 3, 4):
        assert (verdict.finding, verdict.place) == (NEXT, place)
    else:
        assert place == before
