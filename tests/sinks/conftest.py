"""Fixtures of the sink's tests."""

import secrets
from collections.abc import Iterator

import pytest

from local import Addresses
from schemas.catalogue import event
from tests.sinks.market import TRADE
from tests.sinks.stages import Run
from tests.sinks.tables import Tables, tables
from topology.settings import Kafka
from topology.topics import create


@pytest.fixture(scope="module")
def store(stack_addresses: Addresses) -> Iterator[Tables]:
    with tables(stack_addresses) as store:
        yield store


@pytest.fixture
def run(store: Tables, stack_addresses: Addresses) -> Run:
    """Give a sink of trades a topic, a group and a table of its own."""
    topic = f"trades-{secrets.token_hex(4)}"
    create(Kafka(brokers=stack_addresses.kafka), {topic: TRADE, "dead_letters": event("dead_letter"), "gaps": event("gap")})
    store.writer(TRADE)
    addresses = (stack_addresses.kafka, stack_addresses.registry, stack_addresses.clickhouse)
    return Run(*addresses, store.settings.database, f"sink-{topic}", {topic: "trade"}, password_file=store.settings.password_file)
