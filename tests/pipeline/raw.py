"""Messages put straight into a pipeline's topics, and where each of them went."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from dialects.contract import Frame
from schemas.catalogue import event
from schemas.codec import Codec
from tests.pipeline.harness import Pipeline
from topology.kafka import connection
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings


class Place(NamedTuple):
    """Where a message is."""

    topic: str
    partition: int
    offset: int


class Raw:
    """Put frames and other messages into a pipeline's topics."""

    def __init__(self, pipeline: Pipeline) -> None:
        addresses = pipeline.stack.addresses
        self._registry = Registry(RegistrySettings(url=addresses.registry))
        self._producer = Producer(
            connection(Kafka(brokers=addresses.kafka))
            | {"enable.idempotence": True, "partitioner": "murmur2_random", "message.max.bytes": 16_000_000}
        )
        self._codecs: dict[str, Codec] = {}

    def encode(self, name: str, topic: str, record: dict[str, Any]) -> bytes:
        """Return an event as a message's value, as the topic's stage writes it."""
        if topic not in self._codecs:
            self._codecs[topic] = self._registry.codec(topic, event(name))
        return self._codecs[topic].encode(record)

    def send(self, messages: Iterable[tuple[str, bytes | None, bytes | None]]) -> list[Place]:
        """Put messages (topic, key, value) in order; return where they are once the broker has them all."""
        places: dict[int, Place] = {}
        for number, (topic, key, value) in enumerate(messages):

            def delivered(error: KafkaError | None, message: Message, number: int = number) -> None:
                assert error is None, error
                places[number] = Place(message.topic() or "", message.partition() or 0, message.offset() or 0)

            self._producer.produce(topic, value, key, on_delivery=delivered)
            if number % 1000 == 0:
                self._producer.poll(0)
        assert self._producer.flush(60) == 0
        return [places[number] for number in sorted(places)]

    def frames(self, frames: Iterable[Frame]) -> list[Place]:
        """Put frames into the raw topics of their venues."""

        def messages() -> Iterable[tuple[str, bytes, bytes]]:
            for one in frames:
                topic = event("frame").topic.of(one.venue)
                yield topic, f"{one.venue}|{one.connection_id}".encode(), self.encode("frame", topic, one._asdict())

        return self.send(messages())


def frame(venue: str, connection_id: str, sequence: int, payload: str | bytes, received_at: int, request: str | None = None) -> Frame:
    """Return a frame, a reply where it has a request; `received_at` in microseconds since 1970 UTC."""
    data = payload.encode() if isinstance(payload, str) else payload
    origin, kind = ("live", "message") if request is None else ("rest", "reply")
    return Frame(venue, origin, connection_id, sequence, received_at, kind, request, data)


def binance_trade(symbol: str, number: int, price: str, size: str, time: int) -> str:
    """Return a Binance trade frame's text; `time` in microseconds since 1970 UTC."""
    data = f'{{"e":"trade","E":{time},"s":"{symbol}","t":{number},"p":"{price}","q":"{size}","T":{time},"m":false,"M":true}}'
    return f'{{"stream":"{symbol.lower()}@trade","data":{data}}}'


def kraken_trade(symbol: str, number: int, price: str, size: str, time: str) -> str:
    """Return a Kraken trade frame's text; `time` as RFC 3339."""
    data = f'{{"symbol":"{symbol}","side":"buy","price":{price},"qty":{size},"ord_type":"limit","trade_id":{number},"timestamp":"{time}"}}'
    return f'{{"channel":"trade","type":"update","data":[{data}]}}'
