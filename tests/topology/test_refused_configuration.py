"""What librdkafka does not take of our settings is Fatal and names the setting, whichever client is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topology import access, lag, topics
from topology.errors import Fatal
from topology.grants import Grant
from topology.kafka import Publisher, consumer, ensure_reachable
from topology.settings import Kafka

NOBODY = Kafka(brokers="127.0.0.1:1")
CLIENTS: dict[str, Callable[[Kafka], Any]] = {
    "a publisher": Publisher,
    "a consumer": lambda kafka: consumer(kafka, "group"),
    "whether a broker answers": ensure_reachable,
    "lag": lambda kafka: lag.Offsets(kafka).ends([("topic", 0)]),
    "rights": lambda kafka: access.lacking(kafka, [Grant("topic", "topic", "Read")]),
    "topics": lambda kafka: topics.create(kafka, {}),
    "descriptions of topics": topics.Descriptions,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_says_which_setting_is_refused(client: str, tmp_path: Path) -> None:
    """A certificate that is none is refused as the client is made."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    with pytest.raises(Fatal, match=r"settings of Kafka are refused \(kafka\.ssl_ca\): "):
        CLIENTS[client](NOBODY.model_copy(update={"security_protocol": "SSL", "ssl_ca": str(file)}))


@pytest.mark.parametrize(("name", "value"), [("compression", "foo"), ("linger_ms", 1e9), ("message_max_bytes", 1_999_999_999)])
def test_what_a_publisher_is_not_given(name: str, value: object) -> None:
    """A value that the settings let pass and librdkafka does not is told by the setting's name, not by the property's alone."""
    with pytest.raises(Fatal, match=rf"\(kafka\.{name}\): "):
        Publisher(NOBODY.model_copy(update={name: value}))


def test_what_a_consumer_is_not_given() -> None:
    """So it is of what only consumers are given."""
    with pytest.raises(Fatal, match=r"\(sink\.gather_ms\): "):
        consumer(NOBODY, "group", fetch_wait_max_ms=400_000)
