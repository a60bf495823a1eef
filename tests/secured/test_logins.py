"""Every way to log in, through both clients: what librdkafka publishes as a user, our mended Faust transport reads as that user."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import NewTopic, ScramMechanism
from pydantic import SecretStr

from processors.engine.application import create_app, reaching
from tests.processors.engine.transport.running import Seen, running
from tests.secured.broker import PASSWORD, PLAIN_USER, SecuredBroker
from tests.secured.certificates import Authority
from tests.secured.stages import bindings
from tests.waiting import until
from topology.errors import Fatal
from topology.grants import Grant
from topology.kafka import Publisher, consumer, ensure_reachable
from topology.settings import Kafka


def by_password(broker: SecuredBroker, mechanism: str, **changes: Any) -> Kafka:
    """Return the settings of a new user who logs in by SCRAM, or of the one who does by PLAIN."""
    user = PLAIN_USER if mechanism == "PLAIN" else f"user-{uuid.uuid4().hex[:8]}"
    if mechanism != "PLAIN":
        broker.add_user(user, mechanism=ScramMechanism[mechanism.replace("-", "_")])
    return Kafka(
        **{
            "brokers": broker.sasl,
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": mechanism,
            "sasl_username": user,
            "sasl_password": SecretStr(PASSWORD),
            "ssl_ca": str(broker.authority.certificate),
        }
        | changes
    )


def by_certificate(broker: SecuredBroker, name: str, password: str = "") -> Kafka:
    """Return the settings of a client with a certificate of its own."""
    certificate, key = broker.authority.signed(name, password)
    return Kafka(
        brokers=broker.tls,
        security_protocol="SSL",
        ssl_ca=str(broker.authority.certificate),
        ssl_certificate=str(certificate),
        ssl_key=str(key),
        ssl_key_password=SecretStr(password),
    )


WAYS: dict[str, Callable[[SecuredBroker], tuple[str, Kafka]]] = {
    **{
        mechanism: lambda broker, mechanism=mechanism: ((kafka := by_password(broker, mechanism)).sasl_username, kafka)  # type: ignore[misc]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")
    },
    "certificate": lambda broker: ("certified", by_certificate(broker, "certified")),
    "certificate with a password": lambda broker: ("sealed", by_certificate(broker, "sealed", "opensesame")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_both_clients_log_in(broker: SecuredBroker, tmp_path: Path, way: str) -> None:
    """A message published by librdkafka is read by an agent of Faust, with the same settings and the rights of that user alone."""
    user, kafka = WAYS[way](broker)
    name = f"ways-{uuid.uuid4().hex[:8]}"
    broker.admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    broker.grant(bindings(user, [Grant("topic", name, "Read"), Grant("topic", name, "Write"), Grant("group", name, "Read")]))
    with Publisher(kafka) as publisher:
        publisher.publish(name, b"key", b"7")
    rack = {"rack": "zone-b", "broker_client_id": "reader-of-ways"}
    app = create_app(name, data_dir=tmp_path, table_partitions=1, topic_allow_declare=False, **reaching(kafka) | rack)
    seen = Seen(app, name)
    async with running(app) as reading:
        await until(lambda: seen.of(0) == [7])
        aiokafka = reading._thread._consumer
        assert (aiokafka._client._client_id, aiokafka._fetcher._client_rack) == ("reader-of-ways", "zone-b")


def test_a_wrong_password_is_told_with_its_setting(broker: SecuredBroker) -> None:
    """A login that is refused is Fatal at start and names user, password and mechanism; a publisher says why its messages wait."""
    kafka = by_password(broker, "SCRAM-SHA-512", sasl_password=SecretStr("wrong"))
    words = rf"refuses the login of user '{kafka.sasl_username}' \(kafka\.sasl_username\) by SCRAM-SHA-512 \(kafka\.sasl_password"
    with pytest.raises(Fatal, match=words):
        ensure_reachable(kafka, 5.0)
    publisher = Publisher(kafka, log_level=0)
    try:
        publisher.publish("trades", b"key", b"value")
        with pytest.raises(Exception, match=words):
            publisher.flush(5.0)
    finally:
        publisher.close()


def test_another_authority_is_told_with_its_setting(broker: SecuredBroker, tmp_path: Path) -> None:
    """A broker whose certificate our CA has not signed is Fatal and names kafka.ssl_ca."""
    other = Authority(tmp_path, "other")
    kafka = by_password(broker, "SCRAM-SHA-512", ssl_ca=str(other.certificate))
    with pytest.raises(Fatal, match=r"no TLS connection to .*kafka\.ssl_ca.*certificate verify failed"):
        ensure_reachable(kafka, 5.0)


def test_a_right_that_lacks_is_told_with_its_topic(broker: SecuredBroker) -> None:
    """A message that the broker does not let us write is Fatal, for no trying again mends it; it names user, topic and operation."""
    kafka = by_password(broker, "SCRAM-SHA-512")
    name = f"ways-{uuid.uuid4().hex[:8]}"
    broker.admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    publisher = Publisher(kafka, log_level=0)
    try:
        publisher.publish(name, b"key", b"value")
        with pytest.raises(Fatal, match=rf"does not let user '{kafka.sasl_username}' .*Write topic {name}"):
            publisher.flush(30.0)
    finally:
        publisher.close()
    reader = consumer(kafka, name)
    reader.close()
