"""How a client reaches the brokers and logs in, for librdkafka and for aiokafka, and what a broker's refusal says of our settings."""

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from topology.errors import Fatal
from topology.log import logger
from topology.secrets.audit import acting
from topology.settings import Kafka
from topology.tls import readable, trusting

TOLD_EVERY = 60.0
"""Seconds between two log lines of one kind of refusal."""
CURRENT_SECONDS = 10.0
"""A client whose login is refused tries again, and is refused again, within a second or two."""
LOGGED = 2
"""Of librdkafka's own lines those of syslog's severity 2 and worse: all others are of what it gives us as errors, and we tell."""
LOGIN = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)  # noqa: SLF001 - librdkafka's own codes are named so
TLS = (KafkaError._SSL,)  # noqa: SLF001 - the same
NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "a right on the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Read on its consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "a right on the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "a right on the transactional id",
}
"""What lacks where the broker refuses a request of somebody who has logged in."""

SETTINGS = {
    "compression.codec": "kafka.compression",
    "fetch.message.max.bytes": "kafka.message_max_bytes",
    "fetch.wait.max.ms": "sink.gather_ms",
    "message.max.bytes": "kafka.message_max_bytes",
    "queue.buffering.max.ms": "kafka.linger_ms",
    "sasl.": "kafka.sasl_mechanism",
    "SASL ": "kafka.sasl_mechanism",
    "ssl.ca.location": "kafka.ssl_ca",
    "ssl.certificate.location": "kafka.ssl_certificate",
    "ssl.key.location": "kafka.ssl_key",
    "ssl.key.password": "kafka.ssl_key_password",
}
"""What librdkafka calls a property in a refusal (an alias by its first name) → our setting."""
Client = TypeVar("Client")


def client_id(kafka: Kafka) -> str:
    """Return the name of this process in the brokers' logs, metrics and quotas."""
    return kafka.client_id or "-".join(filter(None, ("tidewire", acting())))


def connection(kafka: Kafka) -> dict[str, Any]:
    """Return what every librdkafka client needs to reach the brokers. Fatal where a file that a setting names can't be read."""
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.brokers,
        "security.protocol": kafka.security_protocol,
        "client.id": client_id(kafka),
        "log_level": LOGGED,
    }
    if kafka.client_rack:
        config["client.rack"] = kafka.client_rack
    if kafka.sasl_mechanism:
        config |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "sasl.password": kafka.sasl_password.get_secret_value(),
        }
    names = {"ssl_ca": "ssl.ca.location", "ssl_certificate": "ssl.certificate.location", "ssl_key": "ssl.key.location"}
    config |= {name: _readable(kafka, setting) for setting, name in names.items() if getattr(kafka, setting)}
    if kafka.ssl_key_password.get_secret_value():
        config["ssl.key.password"] = kafka.ssl_key_password.get_secret_value()
    return config


def made(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    """Return a client of librdkafka; Fatal, which names the setting, where it does not take a value of the configuration."""
    try:
        return kind(config)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._INVALID_ARG:  # noqa: SLF001 - librdkafka's own codes are named so
            raise
        words = error.args[0].str().strip()
        named = sorted({setting for name, setting in SETTINGS.items() if name in words}) or ["kafka.*"]
        raise Fatal(f"the settings of Kafka are refused ({', '.join(named)}): {words}") from error


def aiokafka_connection(kafka: Kafka) -> dict[str, Any]:
    """Return the same for aiokafka's clients. Fatal where a file that a setting names can't be read, or is not what it should be."""
    config: dict[str, Any] = {
        "bootstrap_servers": kafka.brokers.split(","),
        "security_protocol": kafka.security_protocol,
        "client_id": client_id(kafka),
    }
    if kafka.security_protocol.endswith("SSL"):
        config["ssl_context"] = _ssl_context(kafka)
    if kafka.sasl_mechanism:
        config |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.get_secret_value(),
        }
    return config


def _readable(kafka: Kafka, setting: str) -> str:
    return readable(str(getattr(kafka, setting)), f"kafka.{setting}")


def _ssl_context(kafka: Kafka) -> ssl.SSLContext:
    context = trusting(kafka.ssl_ca, "kafka.ssl_ca")
    if kafka.ssl_certificate:
        certificate, key = _readable(kafka, "ssl_certificate"), _readable(kafka, "ssl_key")
        try:
            context.load_cert_chain(certificate, key, kafka.ssl_key_password.get_secret_value)
        except (ssl.SSLError, ValueError) as error:
            words = f"{certificate} and {key} are no certificate and its key in PEM, or the password is another"
            raise Fatal(f"{words} (kafka.ssl_certificate, kafka.ssl_key, kafka.ssl_key_password): {error}") from error
    return context


def who(kafka: Kafka) -> str:
    """Return whom the brokers take us for, as far as the settings say it."""
    if kafka.sasl_username:
        return f"user {kafka.sasl_username!r} (kafka.sasl_username)"
    return "this client's certificate (kafka.ssl_certificate)" if kafka.ssl_certificate else "whoever does not log in"


def refusal(error: KafkaError, kafka: Kafka, what: str = "") -> str:
    """Return an error in words that name the setting or the right to mend; `what` is the topic, group or work that it concerns."""
    about = f" ({what})" if what else ""
    if error.code() in LOGIN:
        return (
            f"Kafka refuses the login of {who(kafka)} by {kafka.sasl_mechanism or kafka.security_protocol}"
            f" (kafka.sasl_password, kafka.sasl_mechanism){about}: {error.str()}"
        )
    if error.code() in TLS:
        return (
            f"no TLS connection to {kafka.brokers} (kafka.ssl_ca, kafka.ssl_certificate, kafka.ssl_key, kafka.security_protocol)"
            f"{about}: {error.str()}"
        )
    if error.code() in NOT_ALLOWED:
        lacks = NOT_ALLOWED[error.code()]
        return f"Kafka does not let {who(kafka)} do this{about}: {lacks} lacks (`tidewire acls` lists what each stage needs): {error.str()}"
    return error.str()


class Refusals:
    """A client's ears for what no call of it returns: a login or a TLS connection that brokers refuse, again and again.

    The client calls it on the thread that polls (librdkafka's `error_cb`).
    """

    def __init__(self, kafka: Kafka, clock: Callable[[], float] = time.monotonic) -> None:
        self._kafka = kafka
        self._clock = clock
        self._last: tuple[float, str] | None = None
        self._told_at: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Keep a refusal, and write it down once a minute; whatever else ails a connection the client logs itself."""
        if error.code() not in (*LOGIN, *TLS):
            return
        words = refusal(error, self._kafka)
        self._last = (self._clock(), words)
        if self._clock() >= self._told_at.get(error.code(), float("-inf")) + TOLD_EVERY:
            self._told_at[error.code()] = self._clock()
            logger().error("Kafka refuses us", reason=words)

    @property
    def current(self) -> str:
        """The refusal that stands now, in words; empty where there is none. Any thread."""
        last = self._last
        return last[1] if last is not None and self._clock() < last[0] + CURRENT_SECONDS else ""
