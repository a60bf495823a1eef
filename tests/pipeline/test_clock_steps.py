"""The wall clock of the machine is stepped by more than an hour, ahead and behind, under a market that follows the right time.

The step is real to each process by a library preloaded into it (shims/wall_clock.c, which says what it does not cover): our stages, and the
servers where the case says so. The simulated exchanges, in this process, keep the right time, as exchanges do.
"""

import contextlib
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests.pipeline.harness import settings
from tests.pipeline.ordeal import Record, ordeal

SHIM = Path(__file__).parent / "shims" / "wall_clock.c"
HOUR = 3_660
"""Seconds: an hour and a minute, since what allows for an hour may allow for just that."""
AWAY = 30.0
RATE = 100.0
OFF = "SELECT max(abs(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(assumeNotNull(event_time)))) FROM trades"


def compile_shim(library: Path) -> None:
    """Compile what is preloaded; needs a C compiler of the name cc."""
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)


@contextlib.asynccontextmanager
async def stepped(clock: Path, seconds: int) -> AsyncIterator[None]:
    """Let the clock be off by so many seconds as long as the block lasts."""
    set_clock(clock, seconds)
    try:
        yield
    finally:
        set_clock(clock, 0)


def set_clock(clock: Path, seconds: int) -> None:
    """Write by how much the clock is off: in place, since it is mapped."""
    with clock.open("r+b" if clock.exists() else "wb") as file:
        file.write(struct.pack("=q", seconds * 1_000_000_000))


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("of_servers", [pytest.param(True, id="machine"), pytest.param(False, id="stages")])
@pytest.mark.parametrize("seconds", [pytest.param(HOUR, id="ahead"), pytest.param(-HOUR, id="behind")])
async def test_a_clock_that_is_stepped(
    tmp_path: Path, record_property: Record, monkeypatch: pytest.MonkeyPatch, seconds: int, *, of_servers: bool
) -> None:
    """The clock jumps, and some time later jumps back: no trade is lost or counted twice, no candle differs, and no gap is told."""
    library, clock = tmp_path / "wall_clock.so", tmp_path / "clock"
    compile_shim(library)
    set_clock(clock, 0)
    shim = {"LD_PRELOAD": str(library), "TIDEWIRE_TEST_CLOCK": str(clock)}
    for name, value in shim.items() if of_servers else ():
        monkeypatch.setenv(name, value)
    simulator = Simulator(settings(rate=RATE), running=True)
    async with ordeal(tmp_path, record_property, simulator=simulator, environment=shim) as trial:
        whose = "the machine" if of_servers else "the stages"
        what = f"the clock of {whose} {abs(seconds) / 60:.0f} minutes {'ahead' if seconds > 0 else 'behind'} for {AWAY:.0f} s"
        await trial.break_with(what, "clock", stepped(clock, seconds), AWAY)
        ((shown,),) = trial.pipeline.query(
            "SELECT max(abs(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(event_time))) FROM trades"
        )
        assert shown > 3_000_000_000, "no stage has seen the step"
