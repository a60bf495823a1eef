"""Whether a venue can be reached from here at all, before anything is started for it."""

import asyncio

from dialects.contract import Dialect, Endpoints
from producers.websocket import connect
from topology.clock import now
from topology.errors import Retry


async def reachable(dialect: Dialect, endpoints: Endpoints, timeout: float = 5.0) -> str:
    """Open and close one websocket; return why it can't be, or nothing where it can. `timeout` in seconds."""
    url = dialect.url(endpoints, ())
    try:
        async with asyncio.timeout(timeout):
            socket = await connect(url, lambda _: None, lambda *_: None, lambda _: None, now)
            await socket.close("reachable")
    except Retry as error:
        return str(error)
    except TimeoutError:
        return f"{url}: no answer within {timeout:g} s"
    return ""
