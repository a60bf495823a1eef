"""Producers that share a venue's symbols need one right more: Read on the group they share in."""

import json
from pathlib import Path

from local import Addresses
from local.watchdog import Watchdog
from producers import STAGE
from tests.secured.broker import SecuredBroker
from tests.secured.stages import SecuredStages, bindings, until
from topology.grants import Grant, Role, grants

USER = "sharing"
GROUP = Grant("group", "tidewire-producers-kraken", "Read")
ENVIRONMENT = {
    "TIDEWIRE_VENUES": json.dumps({"kraken": {"websocket": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"}}),
    "TIDEWIRE_PRODUCER": json.dumps({"shared": True, "backoff_first": 0.1, "backoff_most": 0.5}),
}


def test_the_group_they_share_in_is_a_right_of_its_own(
    cluster: SecuredBroker, stack_addresses: Addresses, watchdog: Watchdog, tmp_path: Path
) -> None:
    """Who lacks it is told which, and hears nothing; once it is given the member takes part, and is refused nothing."""
    role = Role(USER, "producers", "kraken", grants(STAGE, "kraken", shared=True))
    assert set(role.grants) - set(grants(STAGE, "kraken")) == {GROUP}
    cluster.add_user(USER)
    cluster.grant(bindings(USER, [one for one in role.grants if one != GROUP]))
    run = SecuredStages(tmp_path, cluster, stack_addresses, ENVIRONMENT, watchdog)
    try:
        run.start(role)
        until(lambda: str(GROUP) in run.log(role, 10_000), "it is said what lacks")
        assert "waits for its share of the symbols (group tidewire-producers-kraken)" in run.ready(role)
        cluster.grant(bindings(USER, [GROUP]))
        until(lambda: "partitions=[0]" in run.log(role, 10_000), "it has its share")
        until(lambda: "takes over the symbols of partitions [0]" in run.ready(role), "it is ready once it hears them")
        joined = ("READ", "group", GROUP.name)
        until(lambda: joined in run.judged("Allowed").get(USER, set()), "it has joined")
    finally:
        run.stop()
    denied = run.judged("Denied").get(USER, set())
    assert {name for _, _, name in denied} <= {GROUP.name}
