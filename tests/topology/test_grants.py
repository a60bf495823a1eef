"""What each stage needs is drawn from the flow; that it is enough, and nothing lacks or is more, tests/secured proves on a broker."""

import shlex

import pytest

from console.commands.acls import chosen
from dialects.catalogue import all_dialects
from schemas.catalogue import event
from topology.errors import Fatal
from topology.flow import stages
from topology.grants import Grant, commands, grants, looks_on, makes_topics, roles
from topology.topics import all_topics

VENUES = tuple(all_dialects())


def test_every_process_is_somebody() -> None:
    """There is a role for each stage, for each venue's where it is per venue, for who makes topics, and for who looks on."""
    expected = [name for name in stages() if not stages()[name].per_venue] + [f"producers-{venue}" for venue in VENUES]
    assert sorted(role.name for role in roles()) == sorted([*expected, "topics", "onlooker"])


@pytest.mark.parametrize("name", stages())
def test_a_stage_reads_and_writes_what_it_declares(name: str) -> None:
    """Of topics: Read of those of its events, Write of those, its dead letters and its audit; and its state's, in its own group."""
    stage = stages()[name]
    venue = VENUES[0] if stage.per_venue else ""
    found = grants(stage, venue)
    reads = {topic for topic, one in all_topics().items() if one.name in stage.reads}
    of_others = {name for one in all_dialects().values() for name in one.events()} - all_dialects()[venue].events() if venue else set()
    writes = {
        topic
        for topic, one in all_topics().items()
        if one.name in {*stage.writes, "dead_letter", "credential_audit"} - of_others and (one.name != "frame" or topic == f"raw.{venue}")
    }
    state = {stage.changelog} - {""}
    assert {one.name for one in found if one.kind == "topic" and one.operation == "Read"} == reads | state
    assert {one.name for one in found if one.operation == "Write"} == writes | state
    assert [one for one in found if one.kind == "group"] == [Grant("group", stage.group_of(venue), "Read")]
    assert {one.operation for one in found} == {"Read", "Write"}


def test_a_venues_producer_writes_no_other_venues_frames() -> None:
    """What a producer may write is its own venue's topic of frames, and the events they become; it reads gaps as its own group."""
    found = grants(stages()["producers"], "kraken")
    raw = event("frame").topic.of("")
    assert [one for one in found if one.name.startswith(raw)] == [Grant("topic", "raw.kraken", "Write")]
    assert Grant("topic", "trades", "Write") in found
    assert Grant("topic", "funding_rates", "Write") not in found
    assert Grant("group", "tidewire-backfill-kraken", "Read") in found


def test_producers_that_share_need_the_group_they_share_in() -> None:
    """It is a right more of each, and of nobody else; who does not share needs it not."""
    shared = {role.name: set(role.grants) for role in chosen("", "verify", shared=True)}
    for role in roles():
        more = {Grant("group", f"tidewire-producers-{role.venue}", "Read")} if role.stage == "producers" else set()
        assert shared[role.name] - set(role.grants) == more


def test_whoever_makes_topics_makes_all() -> None:
    """Who makes topics may make every one of the flow and each state's, and read or write none; who looks on only describes."""
    made = {one.name for one in makes_topics()}
    assert made == {*all_topics(), *(stage.changelog for stage in stages().values() if stage.changelog)}
    assert {one.operation for one in makes_topics()}.isdisjoint({"Read", "Write"})
    assert {one.operation for one in looks_on()} == {"Describe"}


def test_a_stage_that_makes_its_topics_needs_more() -> None:
    """`create` adds the making and mending of its own topics, and takes nothing away."""
    stage = stages()["build_candles"]
    more = set(grants(stage, manage="create")) - set(grants(stage))
    assert {one.operation for one in more} == {"Create", "DescribeConfigs", "AlterConfigs"}
    assert {one.name for one in more} == {one.name for one in grants(stage) if one.kind == "topic"}
    assert set(grants(stage)) < set(grants(stage, manage="create"))


def test_commands_say_the_same_as_the_table() -> None:
    """Each command of Kafka's tool, read back, grants one resource; together they are all of a role's, to the user that is named."""
    role = next(one for one in roles() if one.name == "normalise")
    found = []
    for line in commands(role, "it's me"):
        words = shlex.split(line)
        assert words[words.index("--allow-principal") + 1] == "User:it's me"
        *_, kind, name = words
        found += [Grant(kind.removeprefix("--"), name, words[at + 1]) for at, word in enumerate(words) if word == "--operation"]  # type: ignore[arg-type]  # text of a command
    assert sorted(found) == list(role.grants)


def test_a_role_is_asked_for_by_its_name_or_its_stages() -> None:
    """A stage's name finds each venue's, a role's name that one; who is nobody is told who there is."""
    assert [role.name for role in chosen("producers", "verify")] == [f"producers-{venue}" for venue in VENUES]
    assert [role.name for role in chosen("producers-kraken", "verify")] == ["producers-kraken"]
    assert chosen("", "verify") == roles()
    with pytest.raises(Fatal, match=r"nobody is called 'producer'; there are .*producers-kraken"):
        chosen("producer", "verify")
