"""The same servers in containers, for machines where a Docker engine answers."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from local import Addresses

KAFKA = "confluentinc/cp-kafka:8.1.0"
REGISTRY = "apicurio/apicurio-registry:3.0.9"
CLICKHOUSE = "clickhouse/clickhouse-server:26.3"
VAULT = "hashicorp/vault:1.21.0"


def docker_answers() -> bool:
    """Whether `docker info` answers within two seconds."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=2, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def running(parts: tuple[str, ...]) -> Iterator[Addresses]:
    """Containers for these parts of the stack, as long as the block runs."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy
    from testcontainers.kafka import KafkaContainer

    addresses: dict[str, str] = {}
    with ExitStack() as started:
        if "kafka" in parts:
            kafka = started.enter_context(KafkaContainer(KAFKA).with_kraft())
            addresses["kafka"] = kafka.get_bootstrap_server()
        if "registry" in parts:
            registry = (
                DockerContainer(REGISTRY).with_exposed_ports(8080).with_env("apicurio.rules.global.compatibility", "BACKWARD_TRANSITIVE")
            )
            registry.waiting_for(HttpWaitStrategy(8080, "/apis/ccompat/v7/subjects"))
            started.enter_context(registry)
            host, port = registry.get_container_host_ip(), registry.get_exposed_port(8080)
            addresses["registry"] = f"http://{host}:{port}/apis/ccompat/v7"
        if "clickhouse" in parts:
            clickhouse = DockerContainer(CLICKHOUSE).with_exposed_ports(8123).with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")
            clickhouse.waiting_for(HttpWaitStrategy(8123, "/ping"))
            started.enter_context(clickhouse)
            host, port = clickhouse.get_container_host_ip(), clickhouse.get_exposed_port(8123)
            addresses["clickhouse"] = f"http://{host}:{port}"
        yield Addresses(**addresses)


@contextmanager
def vault(root_token: str) -> Iterator[str]:
    """Run a Vault in development mode, as long as the block runs; its address."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    container = DockerContainer(VAULT).with_exposed_ports(8200).with_env("VAULT_DEV_ROOT_TOKEN_ID", root_token)
    container.waiting_for(HttpWaitStrategy(8200, "/v1/sys/health"))
    with container as started:
        yield f"http://{started.get_container_host_ip()}:{started.get_exposed_port(8200)}"
