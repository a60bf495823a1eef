"""The real broker, for the tests of the transport."""

import pytest

from tests.processors.transport.broker import Broker
from topology.stack import Addresses


@pytest.fixture(scope="session")
def broker(stack_addresses: Addresses) -> Broker:
    """Return the run's broker, to have topics from."""
    return Broker(stack_addresses.kafka)
