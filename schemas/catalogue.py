"""Every event Tidewire knows, read from avro/*.avsc: the one place where schema, topic, key and identity come from.

An event's file lists its own fields and the `headers` (avro/headers/*.avsc) put before them; types.avsc names the types that events
share: `decimal`, `decimal_sum` for what is added up of decimals, `timestamp`. Adding an event is adding a file here and one in
sinks/clickhouse/tables.
"""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

AVRO = Path(__file__).parent / "avro"
HEADERS = AVRO / "headers"
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Topic:
    """Where an event flows. `name` holds `{venue}` where each venue has a topic of its own; `key` lists key fields."""

    name: str
    key: tuple[str, ...]
    partitions: int
    retention_days: int

    def of(self, venue: str = "") -> str:
        """Return the topic's name for a venue: `raw.{venue}` → `raw.kraken`; others are the same for all."""
        return self.name.format(venue=venue)

    def key_of(self, record: Mapping[str, Any]) -> bytes:
        """Return the message key of a record: its key fields joined by `|`, UTF-8."""
        return "|".join(str(record[field]) for field in self.key).encode()


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event: its composed Avro schema (as registered), topic, and the fields that make it the same event."""

    name: str
    schema: Schema
    topic: Topic
    identity: tuple[str, ...]
    bounds: Mapping[str, str] = field(default_factory=dict)
    """What a field's values may be beyond its type, by field (schemas/bounds.py)."""
    public: bool = True
    """Whether people outside may build on its topic; the document of one that only our own stages read says `"public": false`."""
    stored: bool = True
    """Whether it has a table; the document of one that only passes between two of our stages says `"stored": false`."""

    @property
    def table(self) -> str:
        """The event's table in ClickHouse: its topic's name, or its own in the plural where each venue has a topic."""
        return f"{self.name}s" if "{" in self.topic.name else self.topic.name

    @property
    def fields(self) -> list[Schema]:
        """The schema's fields in wire order."""
        fields: list[Schema] = self.schema["fields"]
        return fields

    @property
    def defaults(self) -> dict[str, Any]:
        """What a field of each name holds where who made the event said nothing of it; fields without a default are left out."""
        return {field["name"]: field["default"] for field in self.fields if "default" in field}

    @property
    def schema_text(self) -> str:
        """The schema as canonical JSON text, the form that is registered and kept in history."""
        return json.dumps(self.schema, indent=1)


def compose(document: Schema) -> Schema:
    """Return the full Avro schema of an event document: headers put before its fields, named types resolved.

    A named type (enum) is defined where it first occurs, as Avro wants it. Attributes that are ours (topic,
    identity, headers, public, stored, bounds) are left out: a change of retention is no new schema version.
    """
    types = json.loads((HEADERS / "types.avsc").read_text())
    return {
        "type": "record",
        "name": document["name"],
        "namespace": document["namespace"],
        "doc": document["doc"],
        "fields": [
            {name: _resolve(value, types) if name == "type" else value for name, value in field.items() if name != "bound"}
            for field in _fields(document)
        ],
    }


def _fields(document: Schema) -> list[Schema]:
    fields: list[Schema] = []
    for header in document["headers"]:
        fields += json.loads((HEADERS / f"{header}.avsc").read_text())
    fields += copy.deepcopy(document["fields"])
    return fields


def _resolve(kind: Any, types: Mapping[str, Any]) -> Any:
    if isinstance(kind, str):
        return copy.deepcopy(types.get(kind, kind))
    if isinstance(kind, list):
        return [_resolve(one, types) for one in kind]
    if isinstance(kind, dict) and kind.get("type") == "array":
        return {**kind, "items": _resolve(kind["items"], types)}
    return kind


def _read(path: Path) -> Event:
    document = json.loads(path.read_text())
    topic = document["topic"]
    return Event(
        name=path.stem,
        schema=compose(document),
        topic=Topic(topic["name"], tuple(topic["key"]), topic["partitions"], topic["retention_days"]),
        identity=tuple(document["identity"]),
        bounds=MappingProxyType(
            {field["name"]: field["bound"] for field in _fields(document) if "bound" in field} | document.get("bounds", {})
        ),
        public=document.get("public", True),
        stored=document.get("stored", True),
    )


@cache
def events() -> Mapping[str, Event]:
    """Return every event by name (the file's stem: `trade`, `book_delta` …), in alphabetical order."""
    return MappingProxyType({path.stem: _read(path) for path in sorted(AVRO.glob("*.avsc"))})


def stored_events() -> Mapping[str, Event]:
    """Return the events that have a table, as `events` does."""
    return {name: one for name, one in events().items() if one.stored}


def event(name: str) -> Event:
    """Return one event; KeyError names those there are."""
    try:
        return events()[name]
    except KeyError:
        known = ", ".join(events())
        raise KeyError(f"no event {name!r}; there are {known}") from None


def topics(venues: Iterable[str]) -> Mapping[str, Event]:
    """Return every topic by name with the event it carries, for the given venues."""
    found: dict[str, Event] = {}
    names = tuple(venues)
    for one in events().values():
        for venue in names if "{venue}" in one.topic.name else ("",):
            found[one.topic.of(venue)] = one
    return MappingProxyType(found)
