"""What was ever written stays readable: every version in schemas/history, judged by the real registry and read by our codec."""

import io
import json
import uuid
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import pytest

from local import Addresses
from schemas.catalogue import Event, Schema, events
from schemas.codec import Codec, schema_id
from schemas.generate import history
from topology.errors import Fatal
from topology.registry import Registry
from topology.settings import Registry as RegistrySettings

each_event = pytest.mark.parametrize("event", events().values(), ids=lambda event: event.name)
VERSIONS = [(event, path) for event in events().values() for path in history(event)]
each_version = pytest.mark.parametrize(("event", "path"), VERSIONS, ids=[f"{event.name}-{path.stem}" for event, path in VERSIONS])


class Subject:
    """A subject of one test, in the registry of the run, under the compatibility that `tidewire up` demands."""

    def __init__(self, address: str) -> None:
        self._settings = RegistrySettings(url=address)
        self._topic = f"history-{uuid.uuid4().hex}"
        Registry(self._settings).set_compatibility()

    def register(self, event: Event, schema: Schema) -> int:
        """Register a schema as the subject's next version, as a stage of a later release would; Fatal where it is refused."""
        return Registry(self._settings).register(self._topic, replace(event, schema=schema))


@pytest.fixture
def subject(stack_addresses: Addresses) -> Subject:
    """Return a subject that nobody has registered anything under."""
    return Subject(stack_addresses.registry)


def grown(schema: Schema, **field: Any) -> Schema:
    """Return a schema with one more field."""
    return {**schema, "fields": [*schema["fields"], {"doc": "New.", **field}]}


def datum(schema: Any, random: Random) -> Any:
    """Return some datum of a schema, its logical types as what they are made of."""
    if isinstance(schema, list):
        return datum(random.choice(schema), random)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return {field["name"]: datum(field["type"], random) for field in schema["fields"]}
    if kind == "array":
        return [datum(schema["items"], random) for _ in range(random.randrange(4))]
    if kind == "enum":
        return random.choice(schema["symbols"])
    made: dict[str, Any] = {
        "null": None,
        "boolean": random.random() < 0.5,
        "int": random.randrange(1 << 30),
        "long": random.randrange(1 << 50),
        "string": f"text-{random.randrange(1000)}",
        "bytes": random.randrange(1 << 60).to_bytes(8, "big"),
    }
    return made[kind]


def bare(schema: Any) -> Any:
    """Return a schema without logical types: the same bytes, with times as integers and decimals as bytes."""
    if isinstance(schema, list):
        return [bare(one) for one in schema]
    if isinstance(schema, dict):
        return {name: bare(one) for name, one in schema.items() if name not in {"logicalType", "precision", "scale", "doc"}}
    return schema


@each_event
def test_the_registry_takes_every_version_in_order(event: Event, subject: Subject) -> None:
    """Registered one after another, each version can read all those before it, and the schema as it stands is the newest of them."""
    numbers = [subject.register(event, json.loads(path.read_text())) for path in history(event)]
    assert len(set(numbers)) == len(numbers)
    assert subject.register(event, event.schema) == numbers[-1]


@each_event
def test_a_breaking_change_is_refused(event: Event, subject: Subject) -> None:
    """A field that old data lacks and has no default, or one of another type, is refused in words that name the subject."""
    first = json.loads(history(event)[0].read_text())
    subject.register(event, first)
    with pytest.raises(Fatal, match=r"/subjects/history-\w+-value/versions: the registry refuses this schema as incompatible"):
        subject.register(event, grown(event.schema, name="needed", type="string"))
    retyped = [{**field, "type": "boolean"} if field["name"] == event.identity[0] else field for field in event.fields]
    with pytest.raises(Fatal, match="incompatible"):
        subject.register(event, {**event.schema, "fields": retyped})


@each_event
def test_an_event_can_grow(event: Event, subject: Subject) -> None:
    """A field with a default is taken, and dropping it again is too: what was written with it is still read."""
    first = subject.register(event, event.schema)
    second = subject.register(event, grown(event.schema, name="new", type="long", default=0))
    assert second != first
    assert subject.register(event, event.schema) == first


def test_compatibility_is_with_all_versions_not_the_last(subject: Subject) -> None:
    """A change that the version before would allow, but the one before that would not, is refused."""
    event = events()["trade"]
    subject.register(event, event.schema)
    subject.register(event, grown(event.schema, name="new", type="long", default=0))
    with pytest.raises(Fatal, match="incompatible"):
        subject.register(event, grown(event.schema, name="new", type="long"))


@each_version
def test_data_of_every_version_is_read_today(event: Event, path: Path) -> None:
    """What was written with a version comes out under today's schema: shared fields as they were, new ones as their defaults."""
    version = json.loads(path.read_text())
    codec = Codec(event, 7, version, bytes)
    random = Random(event.name + path.stem)
    for _ in range(20):
        written = datum(version, random)
        target = io.BytesIO()
        fastavro.schemaless_writer(target, fastavro.parse_schema(bare(version)), written)
        value = b"\0\0\0\0\7" + target.getvalue()
        assert schema_id(value) == 7
        read = codec.decode(value)
        assert {name: one for name, one in read.items() if name in written} == written
        assert set(read) == {field["name"] for field in event.fields}
