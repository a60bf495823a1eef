"""The parts of the stack, through the clients that the rest of the project uses."""

import json
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import hvac
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local import Addresses
from local.ports import remembered_ports
from local.vault import ROOT_TOKEN, Vault, find_vault
from local.watchdog import Watchdog
from topology.clickhouse import connect
from topology.settings import ClickHouse


def test_kafka_hands_back_what_was_produced(stack_addresses: Addresses) -> None:
    """A topic can be made, written and read; a frame of 12 MB passes."""
    topic = f"stack-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": stack_addresses.kafka})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": stack_addresses.kafka, "message.max.bytes": 16_000_000})
    frame = b"x" * 12_000_000
    producer.produce(topic, frame)
    assert producer.flush(20) == 0
    consumer = Consumer({
        "bootstrap.servers": stack_addresses.kafka, "group.id": topic, "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.subscribe([topic])
    message = consumer.consume(1, 20)[0]
    consumer.close()
    assert message.value() == frame


def registry(address: str, path: str, schema: dict[str, Any] | None = None) -> tuple[int, Any]:
    """GET a path of the registry, or POST a schema to it: status and answer."""
    body = None if schema is None else json.dumps({"schema": json.dumps(schema)}).encode()
    request = Request(address + path, body, {"Content-Type": "application/vnd.schemaregistry.v1+json"})
    try:
        with urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_registry_refuses_what_old_readers_cannot_read(stack_addresses: Addresses) -> None:
    """The global compatibility is BACKWARD_TRANSITIVE, and is enforced."""
    address, versions = stack_addresses.registry, f"/subjects/stack-{uuid.uuid4().hex}-value/versions"
    assert registry(address, "/config") == (200, {"compatibilityLevel": "BACKWARD_TRANSITIVE"})
    first = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}
    more = {**first, "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "long", "default": 0}]}
    broken = {**first, "fields": [{"name": "a", "type": "long"}, {"name": "c", "type": "string"}]}
    status, answer = registry(address, versions, first)
    assert status == 200
    assert registry(address, versions, first) == (200, answer)
    assert registry(address, versions, more)[0] == 200
    assert registry(address, versions, broken)[0] == 409


def test_clickhouse_stores_rows(stack_addresses: Addresses) -> None:
    """clickhouse-connect sees a ClickHouse."""
    table = f"stack_{uuid.uuid4().hex}"
    with connect(ClickHouse(url=stack_addresses.clickhouse, password_file=stack_addresses.clickhouse_password_file)) as client:
        client.command(f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.insert(table, [[1]], column_names=["a"])
        assert client.command(f"SELECT a FROM {table}") == 1
        client.command(f"DROP TABLE {table}")


def test_a_vault_is_started_where_one_is_installed(tmp_path: Path, watchdog: Watchdog) -> None:
    """Development mode: unsealed, with the known root token."""
    program = find_vault()
    if program is None:
        pytest.skip("neither vault nor bao is installed")
    port = remembered_ports(tmp_path / "ports.json", ("vault",))["vault"]
    vault = Vault(tmp_path, program, port, watchdog, lambda _: None)
    vault.start()
    try:
        client = hvac.Client(vault.address, token=ROOT_TOKEN)
        client.secrets.kv.v2.create_or_update_secret("a", {"b": "c"})
        assert client.secrets.kv.v2.read_secret("a", raise_on_deleted_version=True)["data"]["data"] == {"b": "c"}
    finally:
        vault.stop()
