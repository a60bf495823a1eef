"""The real broker, and a stage on it, for the tests of the engine."""

from pathlib import Path

import pytest

from local import Addresses
from tests.processors.engine.stages import Laboratory
from tests.processors.engine.transport.broker import Broker


@pytest.fixture(scope="session")
def broker(stack_addresses: Addresses) -> Broker:
    """Return the run's broker, to have topics from."""
    return Broker(stack_addresses.kafka)


@pytest.fixture
def laboratory(stack_addresses: Addresses, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """Return a stage of a new topic; one that fails does not end the process of the tests."""
    monkeypatch.setattr("processors.engine.stage.end_anyway", lambda *_: None)
    return Laboratory(stack_addresses, broker, tmp_path)
