"""Messages of one schema as one Arrow stream: what ClickHouse reads fastest.

The datums go behind one Avro header and polars reads them as columns, with no record made in Python. ClickHouse reads Avro itself, but
spends three times as long on it as on Arrow (BENCHMARKS.md), and neither notices where one message ends and the next begins: bytes
too many in one would shift all after it. So the last datum of every block is a sentinel of ours; it is found at the end, or the block
is refused and each message read alone.
"""

import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

import fastavro
import polars

from schemas.catalogue import Event, Schema
from schemas.codec import PREFIX, Codec, container, header
from schemas.errors import InvalidDatum
from sinks.clickhouse.batch import Message
from topology.errors import Reject

FORMAT = "ArrowStream"
OLDEST = polars.CompatLevel.oldest()
"""Plain strings, not views: ClickHouse reads views only since 2025."""


class Blocks:
    """Make blocks of an event's messages written with one schema."""

    def __init__(self, event: Event, schema_id: int, writer: Schema) -> None:
        self._codec = Codec(event, schema_id, writer)
        self._head = header(writer)
        self._token = os.urandom(16).hex()
        self._mark, self._sentinel = _sentinel(writer, self._token)

    def pack(self, values: Iterable[bytes]) -> bytes:
        """Return message values as an Arrow stream, a row each; Reject where one of them is not exactly a datum of the schema."""
        try:
            frame = polars.read_avro(io.BytesIO(container(self._head, [*values, self._sentinel])))
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OverflowError) as error:
            raise Reject(f"not {self._codec.event.name}s of schema id {self._codec.schema_id}: {error}") from error
        if frame[self._mark][-1] != self._token:
            raise Reject(f"bytes left after a {self._codec.event.name} of schema id {self._codec.schema_id}")
        out = io.BytesIO()
        frame[:-1].write_ipc_stream(out, compression="lz4", compat_level=OLDEST)
        return out.getvalue()

    def received_at(self, value: bytes) -> int | None:
        """Return when a message's frame reached us (microseconds); None where its event has no such time or nobody can read it."""
        try:
            return self._codec.decode(value).get("received_at")
        except InvalidDatum:
            return None

    def sieve(self, messages: Sequence[Message]) -> tuple[list[Message], list[tuple[Message, str]]]:
        """Return the messages which can be read, and those which cannot with the reason: each read alone, so slowly."""
        sound: list[Message] = []
        refused: list[tuple[Message, str]] = []
        for message in messages:
            try:
                self._codec.decode(message.value() or b"")
            except InvalidDatum as error:
                refused.append((message, str(error)))
            else:
                sound.append(message)
        return sound, refused


def _sentinel(writer: Schema, token: str) -> tuple[str, bytes]:
    """Return a text field of a schema and a message with the token in it, all else at its least."""
    mark = next(field["name"] for field in writer["fields"] if field["type"] == "string")
    record = {field["name"]: _least(field["type"]) for field in writer["fields"]} | {mark: token}
    out = io.BytesIO(b"\0" * PREFIX)
    out.seek(PREFIX)
    fastavro.schemaless_writer(out, fastavro.parse_schema({"type": "record", "name": "Sentinel", "fields": _plain(writer)}), record)
    return mark, out.getvalue()


def _plain(writer: Schema) -> list[Any]:
    """Return the fields with logical types as what carries them: a sentinel has no meaning."""

    def plain(kind: Any) -> Any:
        if isinstance(kind, list):
            return [plain(one) for one in kind]
        if isinstance(kind, dict) and kind["type"] == "array":
            return {"type": "array", "items": plain(kind["items"])}
        return kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind

    return [{"name": field["name"], "type": plain(field["type"])} for field in writer["fields"]]


def _least(kind: Any) -> Any:
    if isinstance(kind, list):
        return None
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            return kind["symbols"][0]
        if kind["type"] == "array":
            return []
        kind = kind["type"]
    return {"string": "", "bytes": b"\0", "boolean": False, "int": 0, "long": 0}[kind]
