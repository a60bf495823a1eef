"""Where the servers are: settings first, else the embedded stack that runs under the state folder."""

import os
import socket
from dataclasses import dataclass

import msgspec

from topology.contents import content
from topology.errors import Fatal
from topology.settings import ClickHouse, Settings
from topology.state_folder import ADDRESSES


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are; empty for a part that was not started."""

    kafka: str = ""
    """host:port"""
    registry: str = ""
    """base URL of the Confluent-compatible API"""
    clickhouse: str = ""
    """base URL"""
    clickhouse_password_file: str = ""
    """where the password of the embedded ClickHouse is"""


SETTINGS = {"kafka": "TIDEWIRE_KAFKA__BROKERS", "registry": "TIDEWIRE_REGISTRY__URL", "clickhouse": "TIDEWIRE_CLICKHOUSE__URL"}


MOST_BYTES = 65_536
EMBEDDED_PARTITIONS = 1
"""One machine, one worker a stage: each more is a request more to the broker for everything that is written."""


def given(settings: Settings) -> Addresses:
    """Return the addresses that the settings name; empty where they name none."""
    return Addresses(settings.kafka.brokers, settings.registry.url, settings.clickhouse.url, settings.clickhouse.password_file)


def missing(settings: Settings) -> tuple[str, ...]:
    """Return the parts of the stack for which the settings name no address."""
    found = given(settings)
    return tuple(part for part in SETTINGS if not getattr(found, part))


def ensure_named(address: str, setting: str) -> None:
    """Raise Fatal where a setting names no server: only `tidewire up` and `tidewire run` fill in the embedded one's address."""
    if not address:
        raise Fatal(f"{setting} is empty: name the server there, or start this by `tidewire run`, which finds the one of `tidewire up`")


def embedded(settings: Settings) -> Addresses:
    """Return where the embedded stack of the state folder is; empty addresses where none runs."""
    path = settings.state_dir / ADDRESSES
    try:
        found = msgspec.json.decode(content(path, MOST_BYTES), type=Addresses)
    except (FileNotFoundError, NotADirectoryError):
        return Addresses()
    except OSError as error:
        raise Fatal(f"{path} can't be read ({error.strerror}): take it away and start the stack again (`tidewire up`)") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Fatal(f"{path} is no list of addresses: take it away and start the stack again (`tidewire up`)") from error
    # A stack that was killed leaves its file behind.
    return found if any(answers(getattr(found, part)) for part in SETTINGS) else Addresses()


def answers(address: str, timeout: float = 1.0) -> bool:
    """Whether something listens at host:port or at a base URL."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        return False
    try:
        with socket.create_connection((host, int(port)), timeout):
            return True
    except (OSError, ValueError, OverflowError):  # beside one that does not answer: a name or number that no address has
        return False


def merged(settings: Settings, found: Addresses) -> Settings:
    """Return the settings with the addresses filled in where they name none; for an embedded broker its partitions too."""
    partitions = settings.kafka.partitions
    if not settings.kafka.brokers and found.kafka:
        partitions = partitions or EMBEDDED_PARTITIONS
    return settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"brokers": settings.kafka.brokers or found.kafka, "partitions": partitions}),
            "registry": settings.registry.model_copy(update={"url": settings.registry.url or found.registry}),
            "clickhouse": settings.clickhouse if settings.clickhouse.url else _embedded_clickhouse(settings, found),
        }
    )


def _embedded_clickhouse(settings: Settings, found: Addresses) -> ClickHouse:
    return settings.clickhouse.model_copy(update={"url": found.clickhouse, "password_file": found.clickhouse_password_file})


def located(settings: Settings, *parts: str) -> Settings:
    """Return the settings with every address known; Fatal where one of `parts` (all, if none is named) is nowhere."""
    found = merged(settings, embedded(settings))
    lacking = [part for part in missing(found) if part in (parts or SETTINGS)]
    if lacking:
        names = ", ".join(SETTINGS[part] for part in lacking)
        raise Fatal(f"no stack runs in {settings.state_dir}: start one with `tidewire up` in another terminal, or set {names}")
    return found


def environment(settings: Settings) -> dict[str, str]:
    """Return what tells a child process where the servers and the state folder are."""
    found = given(settings)
    named = {name: getattr(found, part) for part, name in SETTINGS.items()}
    named["TIDEWIRE_CLICKHOUSE__PASSWORD_FILE"] = found.clickhouse_password_file
    named["TIDEWIRE_KAFKA__PARTITIONS"] = str(settings.kafka.partitions)
    return {**named, "TIDEWIRE_STATE_DIR": str(settings.state_dir.resolve())}


def export(settings: Settings) -> None:
    """Put the addresses into this process's own environment, for a stage that is about to run in it."""
    os.environ.update(environment(settings))
