"""What follows from the schemas is up to date, and old data stays readable."""

import json

import pytest

from schemas import generate
from schemas.catalogue import Event, events, topics


def test_events_py_is_fresh() -> None:
    """events.py is what `make generate` would write now."""
    assert generate.render() == generate.EVENTS.read_text()


@pytest.mark.parametrize("event", events().values(), ids=lambda event: event.name)
def test_history_ends_with_the_schema(event: Event) -> None:
    """The newest version in history is the schema as it stands."""
    assert json.loads(generate.history(event)[-1].read_text()) == event.schema


@pytest.mark.parametrize("event", events().values(), ids=lambda event: event.name)
def test_fields_are_told(event: Event) -> None:
    """Every field has a doc, and identity and key are fields."""
    names = {one["name"] for one in event.fields}

    assert all(one.get("doc") for one in event.fields)
    assert set(event.identity) <= names
    assert set(event.topic.key) <= names


def test_topics_are_named_once() -> None:
    """Each venue has a raw topic; no two events share a topic."""
    found = topics(("binance", "kraken"))

    assert {"raw.binance", "raw.kraken"} <= set(found)
    assert len(found) == len(events()) + 1
