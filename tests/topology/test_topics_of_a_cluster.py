"""What is asked about topics while one of three brokers is away."""

from functools import partial
from pathlib import Path

import pytest

from schemas.catalogue import event
from tests.replicated_stack import NODES, TOPICS, running
from tests.waiting import until
from topology.errors import Retry
from topology.settings import Kafka
from topology.topics import Descriptions, create

ASKING = 8
"""Each takes one of the brokers for the controller, by chance: of so many some take the killed one."""
PATIENCE = 120.0


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_who_took_the_killed_broker_for_the_controller_learns_who_it_is(tmp_path: Path) -> None:
    """Topics are described again while the broker is still away, by everybody who asked before it was killed."""
    with running(tmp_path / "stack") as stack:
        kafka = Kafka.model_validate({"brokers": stack.addresses.kafka, "partitions": 2, **TOPICS})
        create(kafka, {"trades": event("trade")})
        asking = [Descriptions(kafka) for _ in range(ASKING)]

        def answered(one: Descriptions) -> bool:
            try:
                return "trades" in one.of(["trades"])
            except Retry:
                return False

        for one in asking:
            assert answered(one)
        for node in NODES[:2]:
            stack.brokers[node].kill()
            for one in asking:
                await until(partial(answered, one), PATIENCE)
            stack.brokers[node].start()
            await until(stack.in_sync, PATIENCE)
