"""`tidewire consume TOPIC`: events as JSON lines, decoded with the schema each was written with."""

import base64
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Literal

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

from schemas.catalogue import Event
from schemas.codec import Codec, schema_id
from schemas.errors import InvalidDatum
from topology.clickhouse import shown
from topology.errors import Fatal, Reject
from topology.kafka import consumer, failure
from topology.lag import ONLOOKER, Offsets
from topology.registry import Registry, reading_codec
from topology.settings import Settings
from topology.topics import all_topics

CHUNK = 500
Begin = Literal["earliest", "latest"]


def find(name: str) -> Event:
    """Return the event a topic carries; Fatal names the topics there are."""
    try:
        return all_topics()[name]
    except KeyError:
        raise Fatal(f"no topic {name!r}; there are {', '.join(all_topics())}") from None


def as_json(value: Any) -> Any:
    """Return a field in JSON: decimals as exact text, bytes as text where they are UTF-8, else {"base64": …}."""
    if isinstance(value, Decimal):
        return shown(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value


class Reader:
    """Read one topic's messages, all partitions, without joining a group: looking takes nothing from anybody."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.event = find(topic)
        self._topic = topic
        self._settings = settings
        self._registry = Registry(settings.registry)
        self._codecs: dict[int, Codec] = {}

    def messages(self, begin: Begin, *, follow: bool, until: Callable[[], bool] = lambda: False) -> Iterator[Any]:
        """Yield messages as Kafka gives them: to the end of what is there now, or where `follow`, until `until` says so."""
        offsets = Offsets(self._settings.kafka)
        places = offsets.partitions([self._topic])
        if not places:
            raise Fatal(f"the broker has no topic {self._topic}: `tidewire up` creates it")
        ends = offsets.ends(places)
        left = {place for place, first in offsets.begins(places).items() if first < ends[place]} if begin == "earliest" else set()
        offsets.close()
        start = OFFSET_BEGINNING if begin == "earliest" else OFFSET_END
        source: Any = consumer(self._settings.kafka, ONLOOKER)
        try:
            source.assign([TopicPartition(*place, start) for place in places])
            while (follow or left) and not until():
                for message in source.consume(CHUNK, 0.2):
                    error = failure(message)
                    if error is not None:
                        raise Fatal(f"{self._topic} could not be read: {error.str()}")
                    yield message
                    place = (message.topic(), message.partition())
                    if message.offset() >= ends.get(place, 0) - 1:
                        left.discard(place)
        except KafkaException as error:
            raise Fatal(f"{self._topic} could not be read: {error.args[0].str()}") from error
        finally:
            source.close()

    def decoded(self, message: Any) -> dict[str, Any]:
        """Return a message's event with its decimals exact; InvalidDatum or Reject where it is none."""
        value: bytes = message.value() or b""
        number = schema_id(value)
        if number not in self._codecs:
            self._codecs[number] = reading_codec(self.event, number, self._registry.writer_schema(number))
        return self._codecs[number].decode(value)

    def line(self, message: Any) -> str:
        """Return a message as one JSON line; what is no event is shown with the reason, never left out."""
        place = {"partition": message.partition(), "offset": message.offset()}
        try:
            document = {name: as_json(value) for name, value in self.decoded(message).items()}
        except (InvalidDatum, Reject) as error:
            document = {"error": str(error), "key": as_json(message.key()), "value": as_json(message.value())}
        return json.dumps({**place, **document}, ensure_ascii=False)


def consume(settings: Settings, topic: str, begin: Begin, limit: int, *, follow: bool) -> Iterator[str]:
    """Yield a topic's events as JSON lines, at most `limit` where it is not 0."""
    reader = Reader(settings, topic)
    for number, message in enumerate(reader.messages(begin, follow=follow), 1):
        yield reader.line(message)
        if number == limit:
            return
