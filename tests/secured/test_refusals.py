"""What a stage says where it may not log in, or lacks a right: at once, with the setting, or the resource and the operation."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from local import Addresses
from local.watchdog import Watchdog
from tests.secured.broker import PASSWORD, SecuredBroker
from tests.secured.conftest import ROLES
from tests.secured.stages import SecuredStages, bindings, each_time, until
from topology.access import ensure_allowed, lacking
from topology.errors import FATAL_CODE, Fatal
from topology.grants import Grant, Role
from topology.settings import Kafka

OF_STAGES = {name: role for name, role in ROLES.items() if role.stage and role.venue in {"", "kraken"}}
NOWHERE = '{"kraken": {"websocket": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"}}'


def withheld(role: Role) -> list[Grant]:
    """Return two grants of a role, of a topic and of its group."""
    topic = next(one for one in role.grants if one.kind == "topic" and one.operation == "Read")
    return [topic, next(one for one in role.grants if one.kind == "group")]


def as_user(broker: SecuredBroker, user: str) -> Kafka:
    """Return the settings of a user."""
    return Kafka(
        brokers=broker.sasl,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username=user,
        sasl_password=SecretStr(PASSWORD),
        ssl_ca=str(broker.authority.certificate),
        manage_topics="verify",
    )


@pytest.mark.parametrize("name", each_time(OF_STAGES, "normalise", "producers-kraken", "clickhouse"))
def test_each_right_is_missed_by_its_name(cluster: SecuredBroker, name: str) -> None:
    """With all of a stage's rights nothing lacks; take any one away, and just that one does: its resource and operation."""
    role, user = OF_STAGES[name], f"almost-{name}"
    cluster.add_user(user)
    cluster.grant(bindings(user, role.grants))
    kafka = as_user(cluster, user)
    until(lambda: not lacking(kafka, role.grants), "the rights are known")
    for one in role.grants:
        cluster.take_back(bindings(user, [one]))
        until(lambda one=one: lacking(kafka, role.grants) == [one], f"only {one} lacks")  # type: ignore[misc]
        cluster.grant(bindings(user, [one]))
        until(lambda: not lacking(kafka, role.grants), "it is given back")
    cluster.deny(user)
    until(lambda: lacking(kafka, role.grants) == list(role.grants), "all are taken away")
    with pytest.raises(Fatal) as caught:
        ensure_allowed(kafka, role.grants, name)
    assert all(str(one) in str(caught.value) for one in role.grants)
    assert f"`tidewire acls {name}`" in str(caught.value)


@pytest.fixture(scope="module")
def refused(
    cluster: SecuredBroker, stack_addresses: Addresses, watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, SecuredStages]]:
    """Start every stage with a wrong password, and every stage without two of its rights."""
    found = {
        why: SecuredStages(tmp_path_factory.mktemp(why), cluster, stack_addresses, {"TIDEWIRE_VENUES": NOWHERE}, watchdog)
        for why in ("password", "rights")
    }
    try:
        for name, role in OF_STAGES.items():
            user = f"lacking-{name}"
            cluster.add_user(user)
            cluster.grant(bindings(user, [one for one in role.grants if one not in withheld(role)]))
            found["rights"].start(role, user=user)
            found["password"].start(role, password="wrong")
        yield found
    finally:
        for run in found.values():
            run.stop()


def told(run: SecuredStages, role: Role, words: list[str]) -> bool:
    """Whether the log of a role's stage has all of these words."""
    log = run.log(role, 10_000)
    return all(one in log for one in words)


@pytest.mark.parametrize("name", OF_STAGES)
@pytest.mark.parametrize("why", ["password", "rights"])
def test_a_stage_that_is_refused_says_what_to_mend(refused: dict[str, SecuredStages], why: str, name: str) -> None:
    """A stage ends as by a Fatal and says what to mend. A producer captures on, and says it in its log and, of its login, when asked."""
    role, run = OF_STAGES[name], refused[why]
    words = ["kafka.sasl_password", f"user '{name}'"] if why == "password" else [str(one) for one in withheld(role)]
    if role.venue:
        until(lambda: told(run, role, words), f"{words} in the log")
        if why == "password":
            until(lambda: "kafka.sasl_password" in run.ready(role), "it is said to who asks whether it is ready")
        assert run.processes[name].poll() is None
    else:
        assert run.ended(role) == FATAL_CODE, run.log(role)
        assert told(run, role, words), run.log(role)
    assert PASSWORD not in run.log(role, 10_000)
