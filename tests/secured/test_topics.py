"""Who makes topics on a secured cluster: a stage where `kafka.manage_topics` says so, else somebody else; then it says what lacks."""

from pathlib import Path

import pytest

from console.commands.topics import create
from local import Addresses
from local.watchdog import Watchdog
from processors.engine.stage import prepared
from schemas.catalogue import event
from tests.secured.broker import SecuredBroker
from tests.secured.conftest import ROLES
from tests.secured.stages import SecuredStages, bindings, until
from tests.secured.test_refusals import as_user
from topology.access import lacking
from topology.errors import Fatal
from topology.flow import stages
from topology.grants import grants
from topology.retry import Attempts, persist
from topology.settings import Kafka, Registry, Settings
from topology.topics import Descriptions

STAGE = stages()["build_candles"]
SOURCES = (event("trade").topic.of(),)


def made_ready(kafka: Kafka) -> int:
    """Do what the stage does first, as it does: again where the broker does not know its groups yet."""
    return persist(lambda: prepared(kafka, STAGE.name, SOURCES), Attempts(STAGE.name, "topics"))


def delete(broker: SecuredBroker, *names: str) -> None:
    """Delete topics, and wait until they are gone."""
    descriptions = Descriptions(as_administrator(broker).kafka)
    for future in broker.admin.delete_topics([name for name in names if name in descriptions.of(names)]).values():
        future.result(30)
    until(lambda: not descriptions.of(names), f"{names} are gone")


def as_administrator(broker: SecuredBroker) -> Settings:
    """Return the settings of who may do everything."""
    found = as_user(broker, "nobody")
    return Settings(kafka=type(found)(brokers=broker.server.address, partitions=1))


def test_what_somebody_else_must_make_is_named(cluster: SecuredBroker, stack_addresses: Addresses) -> None:
    """Without its changelog or a topic a stage that only verifies says which, and how they are made; who may make them does."""
    kafka = as_user(cluster, STAGE.name)
    assert made_ready(kafka) == 1
    delete(cluster, STAGE.changelog)
    with pytest.raises(Fatal, match=rf"keeps its state in {STAGE.changelog}, which is not there: make it \(`tidewire topics --create`"):
        made_ready(kafka)
    delete(cluster, "candles")
    with pytest.raises(Fatal, match=r"topics that are not there, .*: candles: make them .*kafka\.manage_topics to create"):
        made_ready(kafka)
    administrator = as_user(cluster, "topics").model_copy(update={"partitions": 1})
    done = create(Settings(kafka=administrator, registry=Registry(url=stack_addresses.registry)))
    assert {"created candles", f"created {STAGE.changelog}"} <= set(done)
    assert made_ready(kafka) == 1


def test_a_stage_that_makes_its_topics_needs_the_right_to(cluster: SecuredBroker) -> None:
    """With `create` and the rights of `verify` it says which right lacks, and that it need not make topics."""
    kafka = as_user(cluster, STAGE.name).model_copy(update={"manage_topics": "create"})
    with pytest.raises(Fatal, match=r"does not let user 'build_candles' .*(DescribeConfigs|AlterConfigs) topic "):
        made_ready(kafka)


def test_a_stage_makes_its_topics_with_what_is_granted_for_that(
    cluster: SecuredBroker, stack_addresses: Addresses, watchdog: Watchdog, tmp_path: Path
) -> None:
    """With the rights that `tidewire acls` prints for `create`, a stage makes its topics and its changelog, and is refused nothing."""
    user = "making"
    needed = grants(STAGE, manage="create")
    cluster.add_user(user)
    cluster.grant(bindings(user, needed))
    until(lambda: not lacking(as_user(cluster, user), needed), "the rights are known")
    delete(cluster, STAGE.changelog, "candles")
    run = SecuredStages(tmp_path, cluster, stack_addresses, {}, watchdog)
    role = ROLES[STAGE.name]
    try:
        run.start(role, user=user, manage_topics="create", partitions="1")
        until(lambda: not run.ready(role), "it is ready")
        there = Descriptions(as_user(cluster, user)).of(["candles", STAGE.changelog])
        assert {name: one.partitions for name, one in there.items()} == {"candles": 1, STAGE.changelog: 1}
        assert run.judged("Denied").get(user, set()) == set()
    finally:
        run.stop()
