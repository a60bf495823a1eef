"""How clients log in follows from the settings: the same for librdkafka and aiokafka, and a setting that can't work is named."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import SecretStr, ValidationError

from tests.secured.certificates import Authority
from topology.errors import Fatal
from topology.login import CURRENT_SECONDS, TOLD_EVERY, Refusals, aiokafka_connection, connection, refusal
from topology.secrets import audit
from topology.settings import Kafka

PASSWORD = SecretStr("swordfish")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return who signs certificates."""
    return Authority(tmp_path)


def secured(**changes: Any) -> Kafka:
    """Return settings of a broker that asks for a password."""
    return Kafka(
        **{
            "brokers": "a:1,b:2",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "us",
            "sasl_password": PASSWORD,
        }
        | changes
    )


def test_every_setting_reaches_both_clients(authority: Authority) -> None:
    """Protocol, login, certificates, name and rack go to each library under its own names, and nothing is there that was not set."""
    certificate, key = authority.signed("client", "opensesame")
    kafka = secured(
        ssl_ca=str(authority.certificate),
        ssl_certificate=str(certificate),
        ssl_key=str(key),
        ssl_key_password=SecretStr("opensesame"),
        client_id="normalise-7",
        client_rack="zone-b",
    )
    assert connection(kafka) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "client.id": "normalise-7",
        "log_level": 2,
        "client.rack": "zone-b",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "us",
        "sasl.password": "swordfish",
        "ssl.ca.location": str(authority.certificate),
        "ssl.certificate.location": str(certificate),
        "ssl.key.location": str(key),
        "ssl.key.password": "opensesame",
    }
    found = aiokafka_connection(kafka)
    context = found.pop("ssl_context")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [dict(name[0] for name in one["subject"]) for one in context.get_ca_certs()] == [{"commonName": "authority"}]
    assert found == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "client_id": "normalise-7",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "us",
        "sasl_plain_password": "swordfish",
    }


def test_nothing_set_is_plain_text_under_the_stages_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings a client speaks plain text; brokers know it by its stage, or by the project where it is none."""
    monkeypatch.setattr(audit, "_stage", [])
    assert connection(Kafka(brokers="a:1")) == {
        "bootstrap.servers": "a:1",
        "security.protocol": "PLAINTEXT",
        "client.id": "tidewire",
        "log_level": 2,
    }
    audit.act_as("producers", "kraken")
    assert connection(Kafka(brokers="a:1"))["client.id"] == "tidewire-producers-kraken"
    assert aiokafka_connection(Kafka(brokers="a:1"))["client_id"] == "tidewire-producers-kraken"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"security_protocol": "PLAINTEXT"}, "sasl_mechanism is for security_protocol SASL_SSL or SASL_PLAINTEXT"),
        ({"sasl_mechanism": ""}, "security_protocol SASL_SSL needs sasl_mechanism"),
        ({"sasl_username": ""}, "security_protocol SASL_SSL needs sasl_username and sasl_password"),
        ({"sasl_password": SecretStr("")}, "security_protocol SASL_SSL needs sasl_username and sasl_password"),
        ({"security_protocol": "SASL_PLAINTEXT", "ssl_ca": "ca.pem"}, "is for security_protocol SSL or SASL_SSL"),
        ({"ssl_certificate": "client.pem"}, "ssl_certificate and ssl_key go together"),
        ({"ssl_key": "client.key"}, "ssl_certificate and ssl_key go together"),
        ({"sasl_mechanism": "GSSAPI"}, "Input should be '', 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"),
    ],
)
def test_half_a_login_is_refused(changes: dict[str, Any], words: str) -> None:
    """What a client would leave out without a word, or could not log in with, is an error of the settings."""
    with pytest.raises(ValidationError, match=words):
        secured(**changes)


@pytest.mark.parametrize("setting", ["ssl_ca", "ssl_certificate", "ssl_key"])
def test_a_file_that_is_not_there_is_named(authority: Authority, tmp_path: Path, setting: str) -> None:
    """A certificate or key that can't be read is Fatal for either client, with the setting's name and the path."""
    certificate, key = authority.signed("client")
    files = {"ssl_ca": str(authority.certificate), "ssl_certificate": str(certificate), "ssl_key": str(key)}
    kafka = secured(**files | {setting: str(tmp_path / "nowhere.pem")})
    for ask in (connection, aiokafka_connection):
        with pytest.raises(Fatal, match=rf"kafka\.{setting} names .*nowhere\.pem, which can't be read: No such file"):
            ask(kafka)


def test_a_file_that_is_no_certificate_is_named(authority: Authority, tmp_path: Path) -> None:
    """What is no PEM, a key of another certificate, and a wrong password of a key are Fatal and name the settings."""
    certificate, key = authority.signed("client", "opensesame")
    _, other = authority.signed("other")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    with pytest.raises(Fatal, match=r"kafka\.ssl_ca names .*rubbish\.pem"):
        aiokafka_connection(secured(ssl_ca=str(rubbish)))
    for wrong, password in ((key, "wrong"), (other, ""), (rubbish, "")):
        kafka = secured(ssl_certificate=str(certificate), ssl_key=str(wrong), ssl_key_password=SecretStr(password))
        with pytest.raises(Fatal, match=r"kafka\.ssl_certificate, kafka\.ssl_key, kafka\.ssl_key_password"):
            aiokafka_connection(kafka)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError._AUTHENTICATION, r"login of user 'us' \(kafka\.sasl_username\) by SCRAM-SHA-512 \(kafka\.sasl_password"),
        (KafkaError._SSL, r"no TLS connection to a:1,b:2 \(kafka\.ssl_ca"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, r"does not let user 'us' .*Write topic trades.*a right on the topic lacks .*tidewire acls"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, r"Read on its consumer group lacks"),
    ],
)
def test_a_refusal_says_what_to_mend(code: int, words: str) -> None:
    """A broker's no becomes words that name the setting or the right; whatever else went wrong is left in its own."""
    with pytest.raises(Fatal, match=words):
        raise Fatal(refusal(KafkaError(code), secured(), "Write topic trades"))
    assert refusal(KafkaError(KafkaError._TRANSPORT), secured()) == KafkaError(KafkaError._TRANSPORT).str()


def test_a_refused_login_stands_until_it_is_heard_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is refused again and again says so for as long as it lasts, and writes a line a minute; other errors are not its."""
    at, lines = [0.0], list[str]()

    class Log:
        def error(self, event: str, **named: str) -> None:
            lines.append(f"{event} {named['reason']}")

    monkeypatch.setattr("topology.login.logger", Log)
    refusals = Refusals(secured(), lambda: at[0])
    refusals(KafkaError(KafkaError._TRANSPORT))
    assert refusals.current == ""
    for at[0] in (0.0, 1.0, TOLD_EVERY - 1.0, TOLD_EVERY + 1.0):
        refusals(KafkaError(KafkaError._AUTHENTICATION))
        assert "kafka.sasl_password" in refusals.current
    assert len(lines) == 2
    assert "swordfish" not in "".join(lines)
    at[0] += CURRENT_SECONDS
    assert refusals.current == ""
