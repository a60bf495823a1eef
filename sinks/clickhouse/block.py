"""Messages of one schema as one Arrow stream: what ClickHouse reads fastest.

The datums go behind one Avro header and polars reads them as columns, with no record made in Python (schemas/block_reader.py, which also
sees to it that a malformed one shifts nothing). ClickHouse reads Avro itself, but spends three times as long on it as on Arrow
(BENCHMARKS.md). A block with a datum that nobody can read is refused, and each message read alone.
"""

import io
from collections.abc import Sequence

import polars

from schemas.block_reader import block_head, read_block, sums
from schemas.catalogue import Event, Schema
from schemas.codec import Codec
from schemas.decimals import LARGEST_SUM, SUM_PRECISION, decimal, from_bytes
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
        self._head = block_head(writer)
        self._sums = sums(writer)
        self._wide_head = block_head(writer, sums_as_bytes=True)

    def pack(self, values: Sequence[bytes]) -> bytes:
        """Return message values as an Arrow stream, a row each; Reject where one of them is not exactly a datum of the schema."""
        frame = read_block(self._head, values)
        if frame is None and self._sums:
            frame = self._with_wide_sums(values)
        if frame is None:
            raise Reject(f"not all of {len(values):,} messages are {self._codec.event.name}s of schema id {self._codec.schema_id}")
        out = io.BytesIO()
        frame.write_ipc_stream(out, compression="lz4", compat_level=OLDEST)
        return out.getvalue()

    def _with_wide_sums(self, values: Sequence[bytes]) -> polars.DataFrame | None:
        """Return the columns of a block with a sum that has more than 16 bytes, all sums as text: no column of polars holds them."""
        frame = read_block(self._wide_head, values)
        return None if frame is None else frame.with_columns(polars.Series(name, map(_text, frame[name])) for name in self._sums)

    def received_at(self, value: bytes) -> int | None:
        """Return when a message's frame reached us (microseconds); None where its event has no such time or nobody can read it."""
        try:
            return self._codec.decode(value).get("received_at")
        except Exception:  # noqa: BLE001 - its row is in, and a measure of its delay is not worth doing that again
            return None

    def sieve(self, messages: Sequence[Message]) -> tuple[list[Message], list[tuple[Message, str]]]:
        """Return the messages which can be read, and those which cannot with the reason: each read alone, so slowly.

        One that our decoder fails on in a way of its own counts as readable: whether it can be a row, its packing says.
        """
        sound: list[Message] = []
        refused: list[tuple[Message, str]] = []
        for message in messages:
            try:
                self._codec.decode(message.value() or b"")
            except InvalidDatum as error:
                refused.append((message, str(error)))
            except Exception:  # noqa: BLE001 - see above
                sound.append(message)
            else:
                sound.append(message)
        return sound, refused


def _text(data: bytes | None) -> str | None:
    """Return a sum's unscaled bytes as the text of its decimal; Reject where it has more digits than any."""
    if data is None:
        return None
    value = from_bytes(data)
    if not -LARGEST_SUM <= value <= LARGEST_SUM:
        raise Reject(f"a decimal of {len(data)} bytes has more than {SUM_PRECISION} digits")
    return f"{decimal(value):f}"
