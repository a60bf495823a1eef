"""Fixtures of the whole suite: the real broker, schema registry and ClickHouse, one set for the run."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests import containers
from topology.stack import Addresses, LocalStack

SETTINGS = {
    "kafka": "TIDEWIRE_TEST_KAFKA",
    "registry": "TIDEWIRE_TEST_REGISTRY",
    "clickhouse": "TIDEWIRE_TEST_CLICKHOUSE",
}


@pytest.fixture(scope="session")
def stack_addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Kafka (host:port), schema registry and ClickHouse (base URLs), each usable for the whole run.

    An address in the environment is taken as it is. What is not given there is started: in containers where a Docker
    engine answers (unless TIDEWIRE_TEST_STACK=embedded), else from the embedded stack.
    """
    given = {part: os.environ[name] for part, name in SETTINGS.items() if os.environ.get(name)}
    missing = tuple(part for part in SETTINGS if part not in given)
    if not missing:
        yield Addresses(**given)
    elif os.environ.get("TIDEWIRE_TEST_STACK") != "embedded" and containers.docker_answers():
        with containers.running(missing) as addresses:
            yield replace(addresses, **given)
    else:
        stack = LocalStack(tmp_path_factory.mktemp("stack"))
        try:
            yield replace(stack.start(missing), **given)
        finally:
            stack.stop()
