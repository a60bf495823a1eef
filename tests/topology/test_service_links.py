"""What Kubernetes sets for Services is passed over, exactly that: a misspelt setting beside it is refused as ever."""

import os
from pathlib import Path

import pytest

from topology.errors import Fatal
from topology.service_links import is_service_link
from topology.settings import Settings, load


def service(name: str, address: str = "10.96.0.17", ports: tuple[tuple[str, int, str], ...] = (("", 9092, "tcp"),)) -> dict[str, str]:
    """Return what the kubelet sets for a Service (makeLinkVariables and getServiceEnv, kubernetes pkg/kubelet/envvars/envvars.go)."""
    head = name.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    found = {f"{head}_SERVICE_HOST": address, f"{head}_SERVICE_PORT": str(ports[0][1])}
    found |= {f"{head}_SERVICE_PORT_{label.upper().replace('-', '_')}": str(port) for label, port, _ in ports if label}
    for number, (_, port, protocol) in enumerate(ports):
        url = f"{protocol}://{host}:{port}"
        if not number:
            found[f"{head}_PORT"] = url
        link = f"{head}_PORT_{port}_{protocol.upper()}"
        found |= {link: url, f"{link}_PROTO": protocol, f"{link}_PORT": str(port), f"{link}_ADDR": address}
    return found


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with no variable of ours and no file."""
    for name in [name for name in os.environ if name.startswith("TIDEWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


SERVICES = {
    "tidewire": service("tidewire", ports=(("http", 8080, "tcp"),)),
    "tidewire-kafka": service("tidewire-kafka"),
    "tidewire-normalise": service("tidewire-normalise", ports=(("health", 8000, "tcp"), ("metrics-1", 8001, "tcp"))),
    "tidewire-port": service("tidewire-port", ports=(("", 53, "udp"),)),
    "two dashes": service("tidewire-kafka--brokers", ports=(("", 9092, "tcp"),)),
    "IPv6": service("tidewire-health", "fd00:10:96::1", (("", 8000, "tcp"), ("", 8000, "sctp"))),
}


@pytest.mark.parametrize("name", SERVICES)
def test_the_variables_of_a_service_are_no_settings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever a Service is called, and whichever ports it has, settings are read as if it were not there; real ones still count."""
    for variable, value in SERVICES[name].items():
        monkeypatch.setenv(variable, value)
    assert load() == Settings()
    monkeypatch.setenv("TIDEWIRE_KAFKA__BROKERS", "a:1")
    assert load().kafka.brokers == "a:1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIDEWIRE_HEALTH_PORT", "8000"),
        ("TIDEWIRE_HEALTH_PORT", "tcp://10.0.0.1"),
        ("TIDEWIRE_KAFKA_PORT", "tcp://elsewhere:9092"),
        ("TIDEWIRE_KAFKA_PORT_9092_TCP_ADDRESS", "10.96.0.17"),
        ("TIDEWIRE_KAFKA_SERVICE_HOSTS", "10.96.0.17"),
        ("TIDEWIRE_KAFKA_BROKERS", "10.96.0.17:9092"),
        ("TIDEWIRE_REGISTRY_PORT", "tcp://10.96.0.17:9092"),
        ("tidewire_kafka_port", "tcp://10.96.0.17:9092"),
        ("TIDEWIRE_KAFKA__BROKER_PORT", "tcp://10.96.0.17:9092"),
    ],
)
def test_what_only_looks_like_one_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A variable with another form, another value, or of a Service that is not there is a misspelt setting, and is named."""
    for name, given in SERVICES["tidewire-kafka"].items():
        monkeypatch.setenv(name, given)
    monkeypatch.setenv(variable, value)
    with pytest.raises(Fatal, match=r"there is no such setting"):
        load()


def test_half_a_service_is_none() -> None:
    """Every Service has a host and a port: where one is missing or is no address or port, what is left is not Kubernetes's."""
    whole = SERVICES["tidewire-kafka"]
    assert all(is_service_link(name, whole) for name in whole)
    for lacking in ("TIDEWIRE_KAFKA_SERVICE_HOST", "TIDEWIRE_KAFKA_SERVICE_PORT"):
        rest = {name: value for name, value in whole.items() if name != lacking}
        assert not any(is_service_link(name, rest) for name in rest)
    for wrong in (
        {"TIDEWIRE_KAFKA_SERVICE_HOST": "broker"},
        {"TIDEWIRE_KAFKA_SERVICE_PORT": "0"},
        {"TIDEWIRE_KAFKA_SERVICE_PORT": "70000"},
    ):
        assert not is_service_link("TIDEWIRE_KAFKA_PORT", whole | wrong)
