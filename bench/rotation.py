"""How long a new version of a key takes to be in use: from its writing to the exchange's confirmation of the connection opened with it."""

import asyncio
import base64
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hvac
from pydantic import SecretStr

from bench.result import Result, result
from bench.stage_rate import Bench, fresh
from bench.vault import vault
from local.vault import ROOT_TOKEN
from producers.stage import Stage
from simulator.accounts.accounts import ApiKey
from simulator.server import Simulator, SimulatorSettings
from topology.secrets.credential import Credential
from topology.secrets.local_key import create_key_file
from topology.secrets.opening import open_credentials
from topology.secrets.settings import Secrets
from topology.settings import Settings, Venue

FIGURES = ("secret_rotation_told_ms", "secret_rotation_looked_ms")
ROTATIONS = 20
LOOK = 0.002
LIMIT = 30.0
PAUSE = 1.5
"""Seconds between two rotations: the old connection is closed one after the new is confirmed."""


def run(progress: Callable[[str], None]) -> list[Result]:
    """Rotate a key of the simulated Kraken, in a Vault that tells of new versions and in the local store, which is looked at."""
    logging.getLogger().setLevel(logging.ERROR)
    with fresh() as bench, tempfile.TemporaryDirectory(prefix="tidewire-bench-") as name:
        folder = Path(name)
        with vault(folder, progress, "-experiment=events.alpha1") as address:
            queue = folder / "credential_audit.jsonl"
            create_key_file(folder / "key")
            told = Secrets(address=address, token=SecretStr(ROOT_TOKEN), namespace="", ca="", audit_queue=queue)
            looked = Secrets(provider="local", folder=folder / "secrets", key_file=folder / "key", audit_queue=queue)
            hvac.Client(address, token=ROOT_TOKEN).sys.enable_secrets_engine("kv", told.mount, options={"version": "2"})
            return [
                _figure("secret_rotation_told_ms", bench, told, progress, "a Vault that tells of new versions (its events websocket)"),
                _figure(
                    "secret_rotation_looked_ms",
                    bench,
                    looked,
                    progress,
                    f"a store that is looked at every {looked.poll_seconds:g} s less jitter",
                ),
            ]


def _figure(name: str, bench: Bench, secrets: Secrets, progress: Callable[[str], None], where: str) -> Result:
    progress(f"{ROTATIONS} rotations in {where}")
    times = sorted(asyncio.run(_rotations(bench, secrets)))
    how = (
        f"{ROTATIONS} rotations, median (the slowest {times[-1] * 1e3:,.0f} ms): from the new version written to {where}, "
        "through its validation at the exchange and a new token, to the exchange's confirmation "
        "of the connection opened with it; simulated Kraken, level3"
    )
    return result(name, times[len(times) // 2] * 1e3, "ms", how)


async def _rotations(bench: Bench, secrets: Secrets) -> list[float]:
    """Return the seconds of each rotation."""
    credentials = open_credentials(secrets)
    async with Simulator(SimulatorSettings(venues=("kraken",), rate=200.0), running=True) as simulator:
        venue = Venue(
            websocket=simulator.addresses["kraken_ws"],
            rest=simulator.addresses["kraken_rest"],
            authenticated=simulator.addresses["kraken_authenticated_ws"],
            symbols=("BTC/USD", "ETH/USD"),
            channels=("orders",),
            credential="mainnet",
            origin="simulated",
        )
        settings = Settings(
            state_dir=bench.directory / "state",
            kafka=bench.kafka,
            registry=bench.settings.registry,
            venues={"kraken": venue},
            secrets=secrets,
        )

        def rotate(number: int) -> str:
            """Write a version that the exchange knows; return its key."""
            key = ApiKey("kraken", f"key {number}", base64.b64encode(b"%d of the benchmark" % number).decode())
            simulator.accounts.add(key)
            credentials.put(
                Credential(
                    exchange="kraken",
                    environment="mainnet",
                    api_key=SecretStr(key.key),
                    api_secret=SecretStr(key.secret),
                    permissions=("read",),
                )
            )
            return key.key

        async def used(key: str) -> float:
            """Wait until the exchange has confirmed a connection with a key; return when."""
            deadline = time.monotonic() + LIMIT
            while not any(key in one.keys.values() for one in simulator.venues["kraken"].connections.values()):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{key} is not in use after {LIMIT:g} s: {stage.status()}")
                await asyncio.sleep(LOOK)
            return time.monotonic()

        first = await asyncio.to_thread(rotate, 0)
        stop, stage = asyncio.Event(), Stage(settings, "kraken")
        running = asyncio.create_task(stage.run(stop))
        try:
            await used(first)
            times = []
            for number in range(1, ROTATIONS + 1):
                await asyncio.sleep(PAUSE)
                key = await asyncio.to_thread(rotate, number)
                written = time.monotonic()
                times.append(await used(key) - written)
            return times
        finally:
            stop.set()
            await running
