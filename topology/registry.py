"""The schema registry, by Confluent's REST API (https://docs.confluent.io/platform/current/schema-registry/develop/api.html)."""

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from schemas.catalogue import Event, Schema
from topology import settings as tree
from topology.addresses import ensure_named
from topology.errors import Fatal, Reject, Retry
from topology.tls import distrust, trusting

if TYPE_CHECKING:  # numpy comes with it, which who only asks and registers has no use for: 14 MB and a third of a second of a start
    from schemas.codec import Codec

UNKNOWN_SECONDS = 1.0
"""Whoever writes with a new schema has registered it first, so an id that was unknown a moment ago is somebody's rubbish."""
MOST_UNKNOWN = 10_000
NOT_FOUND = 404
INCOMPATIBLE = 409
REFUSED = (401, 403)


class Registry:
    """Register schemas and look writers' schemas up; both are remembered, so a stage asks once per schema.

    Fatal where registry.ssl_ca names no CA, or the registry's certificate is signed by another.
    """

    def __init__(self, registry: tree.Registry, timeout: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._timeout = timeout
        encrypted = registry.url.lower().startswith("https:")
        self._trust = trusting(registry.ssl_ca, "registry.ssl_ca") if encrypted else None
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Schema | None] = {}
        """None: what is registered is no record, and never will be."""
        self._unknown: dict[int, float] = {}
        """Ids that the registry did not know, oldest first, and until when it is not asked again."""
        self._clock = clock
        self._lock = threading.Lock()

    def register(self, topic: str, event: Event) -> int:
        """Return the id of an event's schema under a topic's value subject; one that is not there is registered first.

        One that is there needs no right to write. Raises Fatal where it is not there and may not be registered (`registry.schemas`), or is
        not compatible with a version before, Retry where the registry is away.
        """
        subject = f"{topic}-value"
        with self._lock:
            if (subject, event.name) not in self._ids:
                schema = {"schema": json.dumps(event.schema)}
                try:
                    answer = self._call("POST", f"/subjects/{subject}", schema)
                except urllib.error.HTTPError as error:
                    if not self.registers:
                        raise Fatal(
                            f"the registry has no such schema of {event.name} under {subject}, and registry.schemas says lookup: "
                            "register it (`tidewire topics --create`), or set registry.schemas to register"
                        ) from error
                    answer = self._call("POST", f"/subjects/{subject}/versions", schema)
                self._ids[subject, event.name] = int(answer["id"])
            return self._ids[subject, event.name]

    @property
    def registers(self) -> bool:
        """Whether a schema that is not there may be registered."""
        return self._registry.schemas == "register"

    def codec(self, topic: str, event: Event) -> "Codec":
        """Return the codec which writes an event to a topic."""
        from schemas.codec import Codec

        return Codec(event, self.register(topic, event))

    def writer_schema(self, schema_id: int) -> Schema:
        """Return the schema of an id as it was registered; Reject where the registry does not know it, or it is no Avro record.

        A registry is shared: it holds other applications' keys, unions, JSON Schema and Protobuf too, and anybody can send their ids. An id
        that it does not know is asked for again after UNKNOWN_SECONDS: to ask for each message of a flood would stop all else.
        """
        with self._lock:
            if schema_id not in self._schemas:
                unknown = f"schema id {schema_id} is not in the registry"
                if self._unknown.get(schema_id, 0.0) > self._clock():
                    raise Reject(unknown)
                self._unknown.pop(schema_id, None)
                try:
                    answer = self._call("GET", f"/schemas/ids/{schema_id}")
                except urllib.error.HTTPError as error:
                    self._unknown[schema_id] = self._clock() + UNKNOWN_SECONDS
                    if len(self._unknown) > MOST_UNKNOWN:
                        del self._unknown[next(iter(self._unknown))]
                    raise Reject(unknown) from error
                self._schemas[schema_id] = _record(answer)
            found = self._schemas[schema_id]
        if found is None:
            raise Reject(f"schema id {schema_id} is no Avro record")
        return found

    def subjects(self) -> set[str]:
        """Return every subject there is; Retry where the registry is away, Fatal where it refuses us. For a person who looks."""
        return set(self._call("GET", "/subjects"))

    def set_compatibility(self, level: str = "BACKWARD_TRANSITIVE") -> None:
        """Set what every new version must be able to read."""
        self._call("PUT", "/config", {"compatibility": level})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        ensure_named(self._registry.url, "registry.url")
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's setting
            self._registry.url.rstrip("/") + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"} | self._authorization(),
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout, context=self._trust) as answer:  # noqa: S310 - the same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")[:500]
            if error.code == NOT_FOUND and not path.endswith("/versions"):
                raise
            if error.code == INCOMPATIBLE:
                raise Fatal(f"{path}: the registry refuses this schema as incompatible with those before: {text}") from error
            if error.code >= 500:
                raise Retry(f"the registry answered {error.code} (registry.url): {text}") from error
            about = "registry.url, registry.user, registry.password" if error.code in REFUSED else "registry.url"
            raise Fatal(f"the registry answered {error.code} to {method} {path} ({about}): {text}") from error
        except (urllib.error.URLError, OSError, json.JSONDecodeError) as error:
            if (words := distrust(error, "registry.ssl_ca")) is not None:
                raise Fatal(f"the registry at {self._registry.url}: {words}") from error
            raise Retry(f"no registry answers at {self._registry.url} (registry.url): {error}") from error

    def _authorization(self) -> dict[str, str]:
        if not self._registry.user:
            return {}
        pair = f"{self._registry.user}:{self._registry.password.get_secret_value()}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def reading_codec(event: Event, schema_id: int, writer: Schema, numbers: type[Decimal | bytes] = Decimal) -> "Codec":
    """Return the codec which reads an event from datums of a writer's schema; Reject where it is another event's, or nobody can read it.

    Every reader asks here: what a schema is named, and what it is made of, is as much from outside as a message.
    """
    from schemas.codec import Codec

    if writer["name"] != event.schema["name"]:
        raise Reject(f"schema id {schema_id} is a {writer['name']}, not a {event.schema['name']}")
    try:
        return Codec(event, schema_id, writer, numbers)
    except Exception as error:
        raise Reject(f"schema id {schema_id} cannot be read as a {event.schema['name']}: {error or type(error).__name__}") from error


def _record(answer: Any) -> Schema | None:
    """Return the record in the registry's answer, None where it is something else (the type is left out where it is Avro)."""
    if not isinstance(answer, dict) or not isinstance(answer.get("schema"), str):
        raise Retry("the registry answered without a schema (registry.url)")
    try:
        schema = json.loads(answer["schema"]) if answer.get("schemaType", "AVRO") == "AVRO" else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("name"), str):
        return None
    fields = schema.get("fields")
    if not isinstance(fields, list):
        return None
    named = (isinstance(one, dict) and isinstance(one.get("name"), str) and "type" in one for one in fields)
    return schema if all(named) else None
