"""A stack that one pipeline after the other uses: what the one before has left in it is taken out."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from local import LocalStack
from tests.sinks.stages import eventually
from topology.clickhouse import connect
from topology.kafka import connection
from topology.settings import ClickHouse, Kafka


def empty(stack: LocalStack) -> None:
    """Take out topics, consumer groups and tables; return once they are gone. Schemas stay: they are the same for all."""
    admin = AdminClient(connection(Kafka(brokers=stack.addresses.kafka)))
    eventually(lambda: _without_topics(admin), "no topic is left")
    eventually(lambda: _without_groups(admin), "no group is left")
    client = connect(ClickHouse(url=stack.addresses.clickhouse, password_file=stack.addresses.clickhouse_password_file))
    try:
        client.command("DROP DATABASE IF EXISTS tidewire SYNC")
    finally:
        client.close()


def _without_topics(admin: AdminClient) -> bool:
    left = [name for name in admin.list_topics(timeout=15).topics if not name.startswith("__")]
    for future in admin.delete_topics(left).values() if left else ():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return not left


def _without_groups(admin: AdminClient) -> bool:
    left = [group.group_id for group in admin.list_consumer_groups().result().valid]
    for future in admin.delete_consumer_groups(left).values() if left else ():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() not in {KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND}:
                raise
    return not left
