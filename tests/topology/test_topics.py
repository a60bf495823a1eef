"""Topics and schemas are put in place by whoever comes first: again and again, never less than what is there."""

import uuid
from collections.abc import Mapping
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from pydantic import ValidationError

from local import Addresses
from schemas.catalogue import Event, event
from topology.errors import Fatal, Retry
from topology.kafka import connection
from topology.lag import Offsets
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import DAY_MS, Descriptions, agreed_partitions, all_topics, config_of, create, register

PATIENCE = 30.0


@pytest.fixture(scope="module")
def kafka(stack_addresses: Addresses) -> Kafka:
    """Return the settings of the run's broker."""
    return Kafka(brokers=stack_addresses.kafka)


def grown(one: Event, partitions: int, days: int) -> Event:
    """Return an event whose topic has other numbers."""
    return replace(one, topic=replace(one.topic, partitions=partitions, retention_days=days))


def there(kafka: Kafka, name: str) -> tuple[int, dict[str, str]]:
    """Return a topic's partitions and configuration, as the broker says them."""
    admin = AdminClient(connection(kafka))
    resource = ConfigResource(ResourceType.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result(PATIENCE)
    return len(admin.list_topics(name, PATIENCE).topics[name].partitions), {key: one.value for key, one in config.items()}


def test_topics_are_made_as_their_schemas_say(kafka: Kafka) -> None:
    """A topic is created once with its event's partitions and retention; a second time changes nothing."""
    name, one = f"topics-{uuid.uuid4().hex}", event("gap")
    assert create(kafka, {name: one}) == [f"created {name}"]
    partitions, config = there(kafka, name)
    assert partitions == one.topic.partitions
    assert config["retention.ms"] == str(one.topic.retention_days * DAY_MS)
    assert {key: config[key] for key in config_of(one, kafka)} == config_of(one, kafka)
    assert create(kafka, {name: one}) == []


@pytest.mark.parametrize(
    ("replicas", "named", "wanted"), [(1, 0, None), (2, 0, "2"), (3, 0, "2"), (5, 0, "3"), (3, 3, "3"), (3, 1, "1"), (1, 1, "1")]
)
def test_a_record_is_acknowledged_by_most_replicas(replicas: int, named: int, wanted: str | None) -> None:
    """With replicas, more than half must have a record, so that the loss of a broker loses none; one replica is left to the brokers."""
    kafka = Kafka(replication_factor=replicas, min_insync_replicas=named)
    assert config_of(event("gap"), kafka).get("min.insync.replicas") == wanted


def test_what_no_broker_could_acknowledge_is_refused() -> None:
    """More replicas in sync than there are replicas would refuse every record."""
    with pytest.raises(ValidationError, match="min_insync_replicas is more than replication_factor"):
        Kafka(replication_factor=2, min_insync_replicas=3)


def test_what_was_made_is_there_at_once(kafka: Kafka) -> None:
    """Whoever subscribes as soon as the topics are made finds them, all partitions: a broker answers before it lists them."""
    wanted = {f"topics-{uuid.uuid4().hex}": event("gap") for _ in range(20)}
    create(kafka, wanted)
    offsets = Offsets(kafka, PATIENCE)
    assert len(offsets.partitions(wanted)) == len(wanted) * event("gap").topic.partitions
    offsets.close()


def test_what_differs_is_altered_and_told(kafka: Kafka) -> None:
    """A longer retention is brought about and said in words; the partitions of a topic that is there stay, more or fewer."""
    name, one = f"topics-{uuid.uuid4().hex}", event("gap")
    create(kafka, {name: grown(one, 2, 1)})
    assert create(kafka, {name: grown(one, 3, 5)}) == [f"{name}: retention.ms {DAY_MS} → {5 * DAY_MS}"]
    assert there(kafka, name)[0] == 2
    assert there(kafka, name)[1]["retention.ms"] == str(5 * DAY_MS)
    assert create(kafka, {name: grown(one, 1, 5)}) == []
    assert there(kafka, name)[0] == 2


def test_an_operator_may_choose_the_partitions(kafka: Kafka) -> None:
    """`kafka.partitions` goes before what the schemas say."""
    name = f"topics-{uuid.uuid4().hex}"
    create(kafka.model_copy(update={"partitions": 7}), {name: event("gap")})
    assert there(kafka, name)[0] == 7
    for other in (1, 8):
        with pytest.raises(Fatal, match=rf"{name} has 7 partitions and is to have {other}: set kafka.partitions .* to 7, or begin anew"):
            create(kafka.model_copy(update={"partitions": other}), {name: event("gap")})


def test_a_topic_made_anew_has_another_id(kafka: Kafka) -> None:
    """A topic is described with its id and partitions; the id is another when it was deleted and created; one not there is left out."""
    name, descriptions = f"topics-{uuid.uuid4().hex}", Descriptions(kafka)
    assert descriptions.of([name]) == {}
    create(kafka, {name: grown(event("gap"), 3, 1)})
    first = descriptions.of([name, "nowhere"])
    assert first[name].partitions == 3
    assert first[name].topic_id
    admin = AdminClient(connection(kafka))
    admin.delete_topics([name])[name].result(PATIENCE)
    while descriptions.of([name]):
        pass
    create(kafka, {name: grown(event("gap"), 3, 1)})
    assert descriptions.of([name]).keys() == {name}
    assert descriptions.of([name])[name].topic_id not in {"", first[name].topic_id}


def test_no_broker_is_no_description() -> None:
    """Where nobody answers, that is a Retry which names the setting."""
    with pytest.raises(Retry, match=r"kafka\.brokers"):
        Descriptions(Kafka(brokers="127.0.0.1:1"), timeout=0.5).of(["trades"])


def test_the_topics_of_a_stage_have_one_count() -> None:
    """The count of the topics is the state's; where they differ, or the state has another, the words name both and the cure."""
    assert agreed_partitions("x", {"a": 3, "b": 3}, "x-changelog", None) == 3
    assert agreed_partitions("x", {"a": 3}, "x-changelog", 3) == 3
    with pytest.raises(Fatal, match=r"x reads must have the same number .* a has 3, b has 4: .*kafka\.partitions"):
        agreed_partitions("x", {"a": 3, "b": 4}, "x-changelog", 3)
    with pytest.raises(Fatal, match=r"x keeps its state in 3 partitions \(x-changelog\), and its topics \(a\) have 4: .*delete x-"):
        agreed_partitions("x", {"a": 4}, "x-changelog", 3)


def test_what_the_broker_cannot_do_is_fatal(kafka: Kafka) -> None:
    """More replicas than brokers is an error that names the topic; no broker is one that names the setting."""
    name = f"topics-{uuid.uuid4().hex}"
    with pytest.raises(Fatal, match=f"topic {name} could not be created"):
        create(kafka.model_copy(update={"replication_factor": 3}), {name: event("gap")})


def test_every_topic_has_a_subject(kafka: Kafka, stack_addresses: Addresses) -> None:
    """Each topic's schema is registered, the same id each time; one event on two topics is one schema."""
    registry = RegistrySettings(url=stack_addresses.registry)
    wanted: Mapping[str, Event] = all_topics()
    ids = register(Registry(registry), wanted)
    assert ids.keys() == wanted.keys()
    assert register(Registry(registry), wanted) == ids
    assert ids["raw.binance"] == ids["raw.kraken"]
    assert len(set(ids.values())) == len({one.name for one in wanted.values()})
