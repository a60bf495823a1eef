"""The messages handed to Faust's conductor: one for each batch of a source topic, one for each record of a changelog."""

from typing import Any

from faust.types import TP, ConsumerMessage

from processors.engine.transport.batch import Batch, Record
from processors.engine.transport.ledger import Receipt


class ReceiptedMessage(ConsumerMessage):
    """A message whose acknowledgement is noted on a receipt.

    Every way Faust acknowledges ends in `message.acked = True`: `Event.ack`, and the Cython stream iterator, which
    inlines `Consumer.ack`. The ledger keeps the receipt alone, so neither message nor records outlive their use.
    """

    def __init__(self, receipt: Receipt, **fields: Any) -> None:
        self._receipt = receipt
        super().__init__(**fields)

    @property
    def acked(self) -> bool:
        """Whether every stream that got this message has acknowledged it."""
        return self._receipt.acknowledged

    @acked.setter
    def acked(self, acked: bool) -> None:
        self._receipt.acknowledged = acked


def batch_fields(tp: TP, batch: Batch) -> dict[str, Any]:
    """Fields of the one message that carries a batch; offset and time are the last record's."""
    last = batch[-1]
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "offset": last.offset,
        "timestamp": last.timestamp / 1000.0,
        "timestamp_type": last.timestamp_type,
        "headers": (),
        "key": None,
        "value": batch,
        "checksum": None,
        "serialized_key_size": 0,
        "serialized_value_size": 0,
        "tp": tp,
        "generation_id": batch.generation,
    }


def record_fields(tp: TP, record: Record, generation: int) -> dict[str, Any]:
    """Fields of a message that carries one record."""
    key, value = record.key, record.value
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "offset": record.offset,
        "timestamp": record.timestamp / 1000.0,
        "timestamp_type": record.timestamp_type,
        "headers": tuple(record.headers),
        "key": key,
        "value": value,
        "checksum": None,
        "serialized_key_size": len(key) if key is not None else -1,
        "serialized_value_size": len(value) if value is not None else -1,
        "tp": tp,
        "generation_id": generation,
    }
