"""Messages whose schema id belongs to another application: a registry is shared, and anybody can send its ids."""

import json
from typing import Any

import pytest

from console.commands.consume import Reader as TopicReader
from processors.engine.messages import COLUMNS_FROM, Messages
from schemas.block_reader import Block, Reader
from schemas.catalogue import Event, event
from schemas.errors import InvalidDatum
from tests.topology.test_registry import Answers, answers
from topology.errors import Reject, Retry
from topology.registry import Registry, reading_codec
from topology.settings import Registry as RegistrySettings
from topology.settings import Settings

__all__ = ["answers"]

NO_RECORD = [
    {"schema": '"string"'},
    {"schema": '["null", "string"]'},
    {"schema": '{"type": "enum", "name": "Trade", "symbols": ["a"]}'},
    {"schema": '{"type": "array", "items": "string"}'},
    {"schema": "null"},
    {"schema": "7"},
    {"schema": "[" * 100_000},
    {"schema": '{"type": "record", "name": "Trade"}'},
    {"schema": '{"type": "record", "name": "Trade", "fields": ["symbol"]}'},
    {"schema": '{"type": "record", "name": 7, "fields": []}'},
    {"schema": 'syntax = "proto3"; message Trade {}', "schemaType": "PROTOBUF"},
    {"schema": json.dumps(event("trade").schema), "schemaType": "JSON"},
]
OTHER = [
    {"schema": '{"type": "record", "name": "Other", "fields": []}'},
    {"schema": '{"type": "record", "name": "Trade", "fields": [{"name": "symbol", "type": "nothing.Known"}]}'},
    {"schema": '{"type": "record", "name": "Trade", "fields": [{"name": "symbol", "type": {"type": "map"}}]}'},
    {"schema": '{"type": "record", "name": "Trade", "fields": [{"name": "symbol", "type": {"items": "int"}}]}'},
]
ODD = [{"schema": '{"type": "record", "name": "Trade", "fields": [{"name": "symbol", "type": []}]}'}]
"""A parser takes it, and no datum can be read with it."""
VALUE = b"\0\0\0\0\7\x0aabcde"


class Message:
    """As much of a message as is shown."""

    def value(self) -> bytes:
        """Return its bytes."""
        return VALUE

    def key(self) -> bytes:
        """Return its key."""
        return b"key"

    def partition(self) -> int:
        """Return its partition."""
        return 0

    def offset(self) -> int:
        """Return its offset."""
        return 3


def client(answers: Answers, answer: Any) -> Registry:
    """Return a client of a registry that gives one answer."""
    answers.text = json.dumps(answer)
    return Registry(RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}"))


@pytest.mark.parametrize("answer", NO_RECORD)
def test_what_is_no_record_is_rejected_and_asked_for_once(answers: Answers, answer: dict[str, str]) -> None:
    """Whatever else is registered under an id is no schema of an event, and stays so: the registry is not asked again."""
    registry = client(answers, answer)
    for _ in range(3):
        with pytest.raises(Reject, match="schema id 7 is no Avro record"):
            registry.writer_schema(7)
    assert answers.asked == 1


@pytest.mark.parametrize("answer", OTHER)
def test_a_record_that_is_not_the_event_s_is_rejected(answers: Answers, answer: dict[str, str]) -> None:
    """Another event's record, and one of our name that cannot be read, make no codec."""
    writer = client(answers, answer).writer_schema(7)
    with pytest.raises(Reject, match=r"schema id 7 (is a Other, not a Trade|cannot be read as a Trade)"):
        reading_codec(event("trade"), 7, writer)


@pytest.mark.parametrize("answer", OTHER)
def test_a_record_that_nobody_can_read_is_judged_once(answers: Answers, answer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message of a flood under its id is refused in the same words, one by one and as a block, without judging the schema again."""
    judged: list[int] = []

    def judging(one: Event, number: int, *rest: Any) -> Any:
        judged.append(number)
        return reading_codec(one, number, *rest)

    monkeypatch.setattr("processors.engine.messages.reading_codec", judging)
    messages = Messages(event("trade"), client(answers, answer))
    values: list[bytes | None] = [b"\0\0\0\0\x07" + bytes(20)] * COLUMNS_FROM
    for _ in range(2):
        assert len({str(one) for one in messages.rows(values, ("venue", "symbol")) if isinstance(one, Reject)}) == 1
    assert judged == [7]
    assert answers.asked == 1


@pytest.mark.parametrize("answer", [{}, [], {"schema": 7}, None])
def test_an_answer_without_a_schema_is_asked_for_again(answers: Answers, answer: Any) -> None:
    """What answers so is no registry at its best: it says nothing of the message."""
    with pytest.raises(Retry, match=r"without a schema \(registry\.url\)"):
        client(answers, answer).writer_schema(7)


@pytest.mark.parametrize("answer", NO_RECORD + OTHER + ODD)
def test_a_message_of_a_foreign_schema_is_one_refusal(answers: Answers, answer: dict[str, str]) -> None:
    """Processors, blocks and `tidewire consume` refuse that message with the reason, and go on with the next."""
    registry = client(answers, answer)
    messages = Messages(event("trade"), registry)
    assert [isinstance(one, (InvalidDatum, Reject)) for one in messages.records([VALUE])] == [True]
    columns = [found for found in messages.rows([VALUE] * 50, ["symbol"]) if not isinstance(found, (InvalidDatum, Reject))]
    assert columns == []
    settings = Settings(registry=RegistrySettings(url=f"http://127.0.0.1:{answers.server_port}"))
    assert json.loads(TopicReader(settings, "trades").line(Message()))["error"] != ""

    def writer_of(number: int) -> Any:
        try:
            return registry.writer_schema(number)
        except Reject as error:
            raise LookupError(str(error)) from error

    _, _, rejected = Reader(event("trade"), ["symbol", "price"], writer_of).rows(Block([VALUE], [0]))
    assert [one.offset for one in rejected] == [0]
