"""Whether the brokers let a stage do what it will do, asked before it begins: what lacks is said at once, all of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from topology.errors import Fatal, Retry
from topology.grants import Grant
from topology.login import Refusals, connection, made, refusal, who
from topology.settings import Kafka

OPERATIONS: Mapping[str, AclOperation] = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
}
NOT_THERE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)
REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


def lacking(kafka: Kafka, wanted: Iterable[Grant], timeout: float = 10.0) -> list[Grant]:
    """Return which grants we lack of topics and groups, by what the broker says of each (KIP-430).

    A broker that says nothing of rights, and what is not there yet, leave nothing to be said. Retry where no broker answers.
    """
    grants = [one for one in wanted if one.operation in OPERATIONS]
    refusals = Refusals(kafka)
    admin = made(AdminClient, connection(kafka) | {"log_level": 2, "reconnect.backoff.max.ms": 1_000, "error_cb": refusals})
    topics = sorted({one.name for one in grants if one.kind == "topic"})
    groups = sorted({one.name for one in grants if one.kind == "group"})
    futures: dict[tuple[str, str], Any] = {}
    if topics:
        asked = admin.describe_topics(TopicCollection(topics), include_authorized_operations=True, request_timeout=timeout)
        futures |= {("topic", name): future for name, future in asked.items()}
    if groups:
        asked = admin.describe_consumer_groups(groups, include_authorized_operations=True, request_timeout=timeout)
        futures |= {("group", name): future for name, future in asked.items()}
    allowed: dict[tuple[str, str], set[AclOperation] | None] = {}
    for place, future in futures.items():
        try:
            allowed[place] = set(future.result().authorized_operations or ()) or None
        except KafkaException as error:
            code = error.args[0].code()
            if code not in (*NOT_THERE, *REFUSED):
                admin.poll(0)
                words = refusals.current or refusal(error.args[0], kafka, " ".join(place))
                raise Retry(f"the broker at {kafka.brokers} (kafka.brokers) did not say what we may do: {words}") from error
            allowed[place] = set() if code in REFUSED else None
    found = [(one, allowed.get((one.kind, one.name))) for one in grants]
    return [one for one, said in found if said is not None and OPERATIONS[one.operation] not in said]


def ensure_allowed(kafka: Kafka, wanted: Iterable[Grant], role: str) -> None:
    """Raise Fatal that names every resource and operation we lack of those, Retry where no broker answers; `role` as grants.py names it."""
    missing = lacking(kafka, wanted)
    if missing:
        raise Fatal(
            f"Kafka does not let {who(kafka)} {', '.join(map(str, missing))} (or it is not there): grant what "
            f"`tidewire acls {role}` prints, or log in as another"
        )
