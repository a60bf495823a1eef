"""A disk that is full, of each part that writes, under load: all goes on or waits, and mends by itself once there is room again.

Each folder is a file system of its own, small and in memory (tmpfs), which only root may mount: elsewhere these tests fail, and say so.
"""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from io import FileIO
from pathlib import Path

import pytest

from tests.pipeline.ordeal import Ordeal, Record, ordeal

FULL = 30.0
"""Seconds: longer than the first starts of a server that finds no room."""
CHUNK = 1 << 20


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Let a folder be a file system of so many megabytes as long as the block lasts. CalledProcessError where we may not mount one."""
    folder.mkdir(parents=True, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.asynccontextmanager
async def full(folder: Path) -> AsyncIterator[None]:
    """Leave no room on the file system of a folder as long as the block lasts."""
    filler = folder / "filler"
    filling = asyncio.create_task(_fill(filler))
    try:
        yield
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        filler.unlink()


async def _fill(filler: Path) -> None:
    """Take what room there is, again and again: what others free meanwhile is taken too."""
    with filler.open("wb", buffering=0) as file:
        while True:
            for size in (CHUNK, 4096):
                await asyncio.to_thread(_write_all, file, size)
            await asyncio.sleep(0.2)


def _write_all(file: FileIO, size: int) -> None:
    with contextlib.suppress(OSError):
        while file.write(bytes(size)) == size:
            pass


@contextlib.asynccontextmanager
async def full_and_away(trial: Ordeal, folder: Path) -> AsyncIterator[None]:
    """Let the broker stand still while there is no room for what it would take."""
    async with full(folder):
        trial.pipeline.signal("broker", signal.SIGSTOP)
        try:
            yield
        finally:
            trial.pipeline.signal("broker", signal.SIGCONT)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("part", "megabytes"), [("kafka", 400), ("registry", 64), ("clickhouse", 400)])
async def test_a_server_without_room(tmp_path: Path, record_property: Record, part: str, megabytes: int) -> None:
    """Its disk is full for a while: what it can't take waits with those who send it; where it ends it is started again; all is there."""
    folder = tmp_path / "stack" / part
    with small_disk(folder, megabytes):
        async with ordeal(tmp_path, record_property, revives=True) as trial:
            await trial.break_with(f"the disk of {part} full for {FULL:.0f} s", part, full(folder), FULL)
            print(*trial.pipeline.told, sep="\n")


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_no_room_to_spill(tmp_path: Path, record_property: Record) -> None:
    """With the broker standing still and no room for frames on disk they are kept in memory, and all of them arrive."""
    folder = tmp_path / "state" / "spill"
    with small_disk(folder, 64):
        async with ordeal(tmp_path, record_property) as trial:
            what = f"the disk of spilled frames full, the broker stopped, for {FULL:.0f} s"
            await trial.break_with(what, "broker", full_and_away(trial, folder), FULL)
