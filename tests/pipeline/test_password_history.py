"""Audit events all the way: from a stage's settings to the topic, the table and `tidewire secrets history`."""

import asyncio
import json
import sys
from pathlib import Path

from local import LocalStack
from tests.pipeline.harness import Pipeline
from tests.topology.secrets.secrets_made import AUTHOR
from topology.secrets.audit import Queue
from topology.secrets.local_key import create_key_file
from topology.secrets.opening import open_local_store
from topology.secrets.settings import Secrets


async def test_a_stages_passwords_are_in_the_history(tmp_path: Path, stack: LocalStack) -> None:
    """A processor and the sink that take a setting from the store are told by name in ClickHouse, and by `tidewire secrets history`."""
    create_key_file(tmp_path / "key")
    secrets = Secrets(provider="local", folder=tmp_path / "secrets", key_file=tmp_path / "key")
    open_local_store(secrets).put("kafka", {"user": "canary-of-the-test"}, 0, AUTHOR)
    environment = {
        "TIDEWIRE_SECRETS__PROVIDER": "local",
        "TIDEWIRE_SECRETS__FOLDER": str(tmp_path / "secrets"),
        "TIDEWIRE_SECRETS__KEY_FILE": str(tmp_path / "key"),
        "TIDEWIRE_SECRETS__AUDIT_QUEUE": str(tmp_path / "audit.jsonl"),
        "TIDEWIRE_KAFKA__SASL_USERNAME": "vault:kafka#user",
    }
    async with Pipeline(tmp_path, None, ("normalise", "clickhouse"), stack=stack, environment=environment) as pipeline:

        async def history() -> list[dict[str, object]]:
            asked = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "console.command_line", "secrets", "history", "--json",
                stdout=asyncio.subprocess.PIPE,
                env=pipeline.environment | {"TIDEWIRE_KAFKA__SASL_USERNAME": ""},
            )  # fmt: skip
            said, _ = await asked.communicate()
            assert asked.returncode == 0
            return [json.loads(line) for line in said.splitlines()]

        told: list[dict[str, object]] = []
        async with asyncio.timeout(90):
            while len(told) < 2:
                await asyncio.sleep(0.5)
                if Queue(tmp_path / "audit.jsonl").empty:  # so what is told stands in ClickHouse
                    told = await history()
        assert {(one["credential"], one["action"], one["success"]) for one in told} == {("kafka", "read", True)}
        assert sorted(str(one["actor"]) for one in told) == ["clickhouse", "normalise"]
