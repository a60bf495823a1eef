"""Waiting for what sets no event: a broker's, a file's or another library's state."""

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE = 30.0
LOOK_SECONDS = 0.01


async def until(holds: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until a condition holds; TimeoutError where it does not within `patience` seconds."""
    async with asyncio.timeout(patience):
        while not holds():  # noqa: ASYNC110 - see the head of this file
            await asyncio.sleep(LOOK_SECONDS)
