"""Who hears what, where several share: each stream is one member's, and whoever said last that he hears it does."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects, dialect
from dialects.stream import Stream
from producers import plan
from producers.shares import Claim, Holding, claim_of, digest, place, share
from tests.examples import examples
from topology.settings import Venue

SYMBOLS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12), min_size=1, max_size=20, unique=True
)


@pytest.mark.parametrize("venue", all_dialects())
@given(symbols=SYMBOLS, partitions=st.integers(1, 64), seed=st.integers(0, 1_000), members=st.integers(1, 5))
@examples(40)
def test_each_stream_is_one_members(venue: str, symbols: list[str], partitions: int, seed: int, members: int) -> None:
    """However the partitions are shared out: every stream is carried, by one member; what each connection needs, by each that has one."""
    chance = random.Random(seed)
    spoken = dialect(venue)
    wanted = plan.streams(spoken, Venue(symbols=tuple(symbols)))
    owners = [chance.randrange(members) for _ in range(partitions)]
    shares = [share(spoken, wanted, {one for one, owner in enumerate(owners) if owner == member}, partitions) for member in range(members)]
    own = [one for one in wanted if spoken.channels[one.channel].scope != "connection"]
    each = [one for one in wanted if one not in own]
    carried = [one for some in shares for one in some if one not in each]
    assert sorted(carried) == sorted(own)
    assert set(each) <= {one for some in shares for one in some}
    for some in shares:
        assert some == [one for one in wanted if one in some]
        if any(not spoken.channels[one.channel].every for one in some if one not in each):
            assert set(each) <= set(some)


@given(symbols=SYMBOLS, partitions=st.integers(1, 64))
def test_all_of_a_symbol_is_one_members(symbols: list[str], partitions: int) -> None:
    """Who has a symbol has all its channels: its place is that of its gaps."""
    binance = dialect("binance")
    wanted = plan.streams(binance, Venue(symbols=tuple(symbols)))
    for partition in range(partitions):
        found = share(binance, wanted, {partition}, partitions)
        assert {one.symbol for one in found} == {one for one in symbols if place("binance", one, partitions) == partition}
        assert found == [one for one in wanted if one.symbol in {other.symbol for other in found}]


def test_what_only_goes_with_a_connection_is_the_wholes() -> None:
    """Where nothing is wanted but what goes with every connection, one member has it."""
    kraken, wanted = dialect("kraken"), [Stream("instrument", "")]
    holders = [one for one in range(8) if share(kraken, wanted, {one}, 8)]
    assert holders == [place("kraken", "", 8)]


@given(st.integers(0, 2**62), st.text(st.characters(codec="ascii", exclude_characters=" "), min_size=1), st.text())
def test_a_claim_comes_back_as_it_was_made(heard: int, by: str, carries: str) -> None:
    """What is committed says who hears a partition, and up to when; where nothing was, or by somebody else's tool, there is none."""
    claim = Claim(heard, by, carries)
    assert claim_of(claim.heard, claim.words) == claim
    assert claim_of(-1001, claim.words) is None
    assert claim_of(heard, None) is claim_of(heard, "") is None


def test_a_digest_is_of_what_is_wanted() -> None:
    """The order of settings does not matter; a stream more, or another channel, does."""
    some = [Stream("trade", "A"), Stream("quote", "B")]
    assert digest(some) == digest(some[::-1]) != digest(some[:1])
    assert digest(some) != digest([Stream("trade", "B"), Stream("quote", "A")])


def test_what_is_ours_is_not_let_go_for_an_older_claim() -> None:
    """What comes to a member was claimed by whoever had it: that is heard until it is another's again, and claimed."""
    holding, theirs = Holding("me"), {0: Claim(1, "they", ""), 1: Claim(1, "me", "")}
    assert holding.assign([0, 1]) == {0, 1}
    assert holding.see(theirs) == frozenset()
    holding.revoke([0, 1])
    assert holding.leaving == {0, 1}
    assert holding.see({}) == frozenset()
    assert holding.see(theirs) == {0}
    assert holding.held == {1}
    assert not holding.assigned
    assert holding.assign([1]) == frozenset()


class Group:
    """Kafka's part: who is assigned what, and each partition's newest claim, which only a member may make who is assigned it."""

    def __init__(self, partitions: int) -> None:
        self.owners: dict[int, str | None] = dict.fromkeys(range(partitions))
        self.claims: dict[int, Claim] = {}
        self.members: dict[str, Member] = {}

    def share_out(self, chance: random.Random) -> None:
        """Assign each partition to somebody who takes part, after whoever had it has heard of it."""
        here = [name for name, one in self.members.items() if one.takes_part]
        for partition, owner in self.owners.items():
            following = chance.choice(here) if here else None
            if owner != following:
                if owner in here:
                    self.members[owner].holding.revoke([partition])
                self.owners[partition] = following
                if following is not None:
                    self.members[following].assign(partition)

    def heard(self, partition: int) -> list[str]:
        """Return who hears a partition."""
        return [name for name, one in self.members.items() if partition in one.holding.held]


class Member:
    """A producer: it hears a moment after it is assigned, and may stand still meanwhile."""

    def __init__(self, name: str, group: Group) -> None:
        self.name = name
        self.holding = Holding(name)
        self.settled: set[int] = set()
        self.takes_part = True
        self.stands_still = False
        self._group = group

    def assign(self, partition: int) -> None:
        """Begin to hear."""
        self.holding.assign([partition])

    def claim(self, partitions: Iterable[int]) -> None:
        """Hear what is held, and say so of what is ours; the group takes no word of whom it has given up."""
        self.settled |= self.holding.held
        for partition in partitions:
            if self._group.owners[partition] == self.name and partition in self.holding.assigned & self.settled:
                self._group.claims[partition] = Claim(0, self.name, "")

    def look(self) -> None:
        """Let go of what another has claimed."""
        self.settled -= self.holding.see(self._group.claims)

    def come_back(self) -> None:
        """Go on after having been given up: all that was assigned is others'."""
        self.stands_still, self.takes_part = False, True
        self.holding.revoke(self.holding.assigned)


STEPS = ("share out", "claim", "look", "stand still", "come back", "die", "join")


@given(st.integers(1, 5), st.lists(st.sampled_from(STEPS), min_size=10, max_size=80), st.integers(0, 1_000_000))
@examples(300)
def test_whoever_said_last_that_he_hears_it_does(partitions: int, steps: list[str], seed: int) -> None:
    """Whoever comes, goes, dies or stands still, in whatever order: who claimed last hears while he lives, so nothing is let go unheard.

    In the end each partition is heard by one, to whom it is assigned.
    """
    group, chance = Group(partitions), random.Random(seed)
    group.members["0"] = Member("0", group)
    for number, step in enumerate(["join", "share out", "claim", *steps, "join"], 1):
        alive = list(group.members.values())
        one = chance.choice(alive) if alive else None
        if step == "join":
            group.members[str(number)] = Member(str(number), group)
        elif step == "share out":
            group.share_out(chance)
        elif one is None:
            continue
        elif step == "die":
            del group.members[one.name]
            group.owners = {partition: None if owner == one.name else owner for partition, owner in group.owners.items()}
        elif step == "stand still" and not one.stands_still:
            one.stands_still, one.takes_part = True, False
            group.owners = {partition: None if owner == one.name else owner for partition, owner in group.owners.items()}
        elif step == "come back" and one.stands_still:
            one.come_back()
        elif step == "claim" and not one.stands_still:
            one.claim(chance.sample(range(partitions), chance.randint(0, partitions)))
        elif step == "look" and not one.stands_still:
            one.look()
        for partition, claim in group.claims.items():
            assert claim.by not in group.members or claim.by in group.heard(partition)
    for one in group.members.values():
        if one.stands_still:
            one.come_back()
    group.share_out(chance)
    for one in group.members.values():
        one.claim(range(partitions))
    for one in group.members.values():
        one.look()
    assert {partition: group.heard(partition) for partition in group.owners} == {one: [owner] for one, owner in group.owners.items()}
