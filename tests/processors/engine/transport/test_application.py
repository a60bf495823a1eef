"""The settings a stage's app is made with."""

import ssl
from pathlib import Path

from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import SecretStr

from processors.engine.application import create_app, reaching
from processors.engine.transport import Transport
from topology.settings import Kafka


def test_an_app_reaches_every_broker_through_our_transport(tmp_path: Path) -> None:
    """Several brokers are joined by commas; consumer and producer both speak `tidewire`."""
    app = create_app("stage", broker="one:9092, two:9093", data_dir=tmp_path)
    assert isinstance(app.transport, Transport)
    assert isinstance(app.producer_transport, Transport)
    assert [(url.host, url.port) for url in app.transport.url] == [("one", 9092), ("two", 9093)]


def test_a_batched_topic_is_named(tmp_path: Path) -> None:
    """`batches` names its topics as batched; topics made otherwise are not."""
    app = create_app("stage", broker="one:9092", data_dir=tmp_path, batched_topics=["a"])
    app.batches("b", "c")
    app.topic("d")
    assert app.batched_topics == {"a", "b", "c"}


def test_settings_of_faust_win(tmp_path: Path) -> None:
    """A dead worker is noticed within 10 s; whoever wants another limit gives Faust's own setting."""
    assert create_app("stage", broker="one:9092", data_dir=tmp_path).conf.broker_session_timeout == 8.0
    app = create_app("stage", broker="one:9092", data_dir=tmp_path, broker_session_timeout=30.0)
    assert app.conf.broker_session_timeout == 30.0


def test_credentials_become_what_aiokafka_takes() -> None:
    """Plain text needs none; TLS and SASL carry their context, mechanism, user and password."""
    assert reaching(Kafka())["broker_credentials"] is None
    encrypted = credentials_to_aiokafka_auth(reaching(Kafka(security_protocol="SSL"))["broker_credentials"])
    assert encrypted["security_protocol"] == "SSL"
    assert isinstance(encrypted["ssl_context"], ssl.SSLContext)
    kafka = Kafka(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="user",
        sasl_password=SecretStr("word"),
    )
    found = credentials_to_aiokafka_auth(reaching(kafka)["broker_credentials"])
    assert (found["security_protocol"], found["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("user", "word")
    assert isinstance(found["ssl_context"], ssl.SSLContext)
