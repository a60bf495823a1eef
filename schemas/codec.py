"""An event and its bytes, in the Confluent wire format: a zero byte, the schema's id (4 bytes, big-endian), the datum.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
Times are integers (microseconds); decimals are written from their bytes (schemas.decimals) or a Decimal, and read as Decimal.
"""

import io
import json
import os
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any, cast

import fastavro
from fastavro.read import SchemaResolutionError

from schemas.block_encoder import compile_block_encoder
from schemas.catalogue import Event, Schema
from schemas.encoder import compile_encoder, counted, zigzag
from schemas.errors import InvalidDatum

MAGIC = 0
PREFIX = 5
UNREADABLE = (
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    StopIteration,
    ArithmeticError,
    RecursionError,
    SchemaResolutionError,
)
"""What fastavro raises on bytes that are no datum, or on a writer's schema that does not lead to ours."""


def schema_id(value: bytes) -> int:
    """Return the schema id of a message; InvalidDatum where it is not in the wire format."""
    if len(value) < PREFIX or value[0] != MAGIC:
        raise InvalidDatum("not in the Confluent wire format: a zero byte and a 4-byte schema id must come first")
    return int.from_bytes(value[1:PREFIX], "big")


class Codec:
    """Encode and decode one event under one schema id.

    `writer` is the schema the bytes were written with, where it is not ours. Decimals are read as `numbers`: Decimal, or
    their unscaled bytes, which costs a fifth.
    """

    def __init__(self, event: Event, schema_id: int, writer: Schema | None = None, numbers: type[Decimal | bytes] = Decimal) -> None:
        self.event = event
        self.schema_id = schema_id
        self.prefix = bytes([MAGIC]) + schema_id.to_bytes(4, "big")
        self.writer = writer or event.schema
        self.encode = compile_encoder(event.schema, self.prefix)
        """Return the message value of a record; InvalidDatum where it does not fit the schema."""
        self.encode_block = compile_block_encoder(event.schema, self.prefix)
        """Return the message values of columns and their length; InvalidDatum where one does not fit (schemas.block_encoder)."""
        self._header = header(self.writer)
        self._read = _parsed(json.dumps(_plain(self.writer, numbers)))
        self._reader = None if writer is None else _parsed(json.dumps(_plain(event.schema, numbers)))

    def decode(self, value: bytes) -> dict[str, Any]:
        """Return a message value as a record; InvalidDatum where the bytes are not a datum of the writer's schema."""
        source = io.BytesIO(value)
        source.seek(PREFIX)
        try:
            record: Any = fastavro.schemaless_reader(source, self._read, self._reader)
        except UNREADABLE as error:
            raise InvalidDatum(f"not a datum of {self.event.name}: {error or type(error).__name__}") from error
        if source.tell() != len(value):
            raise InvalidDatum(f"{len(value) - source.tell()} bytes left after a datum of {self.event.name}")
        return cast("dict[str, Any]", record)

    def container(self, values: Iterable[bytes]) -> bytes:
        """Return messages of this schema id as one Avro object container file, without decoding them."""
        return container(self._header, values)


def header(writer: Schema) -> bytes:
    """Return the head of an Avro object container for datums of a schema, up to the sync marker.

    Docs and defaults are left out: a file's reader needs neither, and polars refuses fields with a default.
    """
    fields = [{"name": field["name"], "type": field["type"]} for field in writer["fields"]]
    text = json.dumps({"type": "record", "name": writer["name"], "fields": fields}).encode()
    pairs = ((b"avro.schema", text), (b"avro.codec", b"null"))
    return b"".join((b"Obj\x01", zigzag(len(pairs)), *(counted(key) + counted(value) for key, value in pairs), zigzag(0)))


def container(head: bytes, values: Iterable[bytes]) -> bytes:
    """Return message values (wire format, all of the schema `head` was made for) as an Avro object container of one block.

    N datums behind one header are a valid file (https://avro.apache.org/docs/1.12.0/specification/#object-container-files),
    so a block of messages reaches polars or ClickHouse with no datum decoded here.
    """
    datums = [value[PREFIX:] for value in values]
    body = b"".join(datums)
    marker = os.urandom(16)
    return b"".join((head, marker, zigzag(len(datums)), zigzag(len(body)), body, marker))


@cache
def _parsed(schema: str) -> Any:
    return fastavro.parse_schema(json.loads(schema))


def _plain(schema: Schema, numbers: type[Decimal | bytes]) -> Schema:
    """Return the schema with times as bare integers (a datetime for each would cost more than the rest), and decimals as asked."""
    bare = {"timestamp-micros", "decimal"} if numbers is bytes else {"timestamp-micros"}

    def plain(kind: Any) -> Any:
        if isinstance(kind, list):
            return [plain(one) for one in kind]
        if isinstance(kind, dict) and kind["type"] == "array":
            return {**kind, "items": plain(kind["items"])}
        if isinstance(kind, dict) and kind.get("logicalType") in bare:
            return kind["type"]
        return kind

    return {**schema, "fields": [{**field, "type": plain(field["type"])} for field in schema["fields"]]}
