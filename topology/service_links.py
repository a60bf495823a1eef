"""The variables that Kubernetes sets in a pod for each Service of its namespace, told from misspelt settings. Pure.

A Service called `tidewire-kafka` gives TIDEWIRE_KAFKA_SERVICE_HOST, …_SERVICE_PORT and, in Docker's form, …_PORT=tcp://10.0.0.1:9092 and
…_PORT_9092_TCP, …_TCP_PROTO, …_TCP_PORT, …_TCP_ADDR (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables,
getServiceEnv in pkg/kubelet/envvars). A pod without them has `enableServiceLinks: false`.
"""

import ipaddress
import re
from collections.abc import Mapping

_PORT = r"\d{1,5}"
_FORMS = {
    r"SERVICE_HOST": "address",
    r"SERVICE_PORT": "port",
    r"SERVICE_PORT_[A-Z0-9_]+": "port",
    r"PORT": "url",
    rf"PORT_{_PORT}_(?:TCP|UDP|SCTP)": "url",
    rf"PORT_{_PORT}_(?:TCP|UDP|SCTP)_PROTO": "protocol",
    rf"PORT_{_PORT}_(?:TCP|UDP|SCTP)_PORT": "port",
    rf"PORT_{_PORT}_(?:TCP|UDP|SCTP)_ADDR": "address",
}
"""What may follow a Service's name, and what is its value then."""
_NAMES = [(re.compile(rf"([A-Z](?:[A-Z0-9_]*[A-Z0-9])?)_{form}"), kind) for form, kind in _FORMS.items()]


def is_service_link(name: str, environment: Mapping[str, str]) -> bool:
    """Whether a variable is one that Kubernetes sets for a Service: by its name, its value, and the two that every Service has.

    So a setting that is misspelt (TIDEWIRE_HEALTH_PORT=8000) is none: its value is no address, and there is no such Service beside it.
    """
    return any(
        (found := form.fullmatch(name)) is not None and _is(kind, environment[name]) and _is_service(found[1], environment)
        for form, kind in _NAMES
    )


def _is_service(name: str, environment: Mapping[str, str]) -> bool:
    return _is("address", environment.get(f"{name}_SERVICE_HOST", "")) and _is("port", environment.get(f"{name}_SERVICE_PORT", ""))


def _is(kind: str, value: str) -> bool:
    if kind == "address":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return False
        return True
    if kind == "port":
        return re.fullmatch(_PORT, value) is not None and 0 < int(value) < 65536
    if kind == "protocol":
        return value in {"tcp", "udp", "sctp"}
    protocol, mark, rest = value.partition("://")
    address, colon, port = rest.rpartition(":")
    return bool(mark and colon) and _is("protocol", protocol) and _is("address", address.strip("[]")) and _is("port", port)
