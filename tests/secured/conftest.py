"""A secured broker for the run, with all that its administrator has made: topics, schemas, and a user for each role with its ACLs."""

from collections.abc import Iterator

import pytest

from console.commands.topics import create
from local import Addresses
from local.watchdog import Watchdog
from tests.secured.broker import SecuredBroker
from tests.secured.stages import bindings
from topology.grants import roles
from topology.settings import Kafka, Registry, Settings

ROLES = {role.name: role for role in roles("verify")}
"""Everybody there is, from the flow."""


@pytest.fixture(scope="package")
def watchdog() -> Iterator[Watchdog]:
    """Return what ends processes of a run that is interrupted."""
    found = Watchdog()
    yield found
    found.close()


@pytest.fixture(scope="package")
def broker(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> Iterator[SecuredBroker]:
    """Start the broker; its authorizer writes down what it lets pass and what it refuses."""
    patch = pytest.MonkeyPatch()
    patch.setenv("JAVA_TOOL_OPTIONS", "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=debug")
    found = SecuredBroker(tmp_path_factory.mktemp("secured"), watchdog)
    patch.undo()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="package")
def cluster(broker: SecuredBroker, stack_addresses: Addresses) -> SecuredBroker:
    """Make what a stage finds on such a cluster: its topics and schemas, and a user for each role, who has what `tidewire acls` prints."""
    kafka = Kafka(brokers=broker.server.address, partitions=1)
    create(Settings(kafka=kafka, registry=Registry(url=stack_addresses.registry)))
    for role in ROLES.values():
        broker.add_user(role.name)
        broker.grant(bindings(role.name, role.grants))
    return broker
