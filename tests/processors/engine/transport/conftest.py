"""The real broker, for the tests of the transport."""

import pytest

from local import Addresses
from tests.processors.engine.transport.broker import Broker


@pytest.fixture(scope="session")
def broker(stack_addresses: Addresses) -> Broker:
    """Return the run's broker, to have topics from."""
    return Broker(stack_addresses.kafka)
