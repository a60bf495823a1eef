"""Which venues can be reached from here, found out in a few seconds before anything is started for them."""

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from dialects.catalogue import all_dialects
from topology.settings import Venue

TIMEOUT = 3.0
SWITCHING_PROTOCOLS = b"101"


async def answer_of(url: str, timeout: float = TIMEOUT) -> str:
    """Ask for a websocket at `url`; return why there is none, or nothing where the server grants one (RFC 6455, 4.2.2)."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    try:
        async with asyncio.timeout(timeout):
            context = ssl.create_default_context() if secure else None
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            try:
                writer.write(request.encode())
                words = (await reader.readline()).split(maxsplit=2)
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except (OSError, ssl.SSLError, ValueError) as error:
        return str(error) or type(error).__name__
    if len(words) > 1 and words[1] == SWITCHING_PROTOCOLS:
        return ""
    return f"HTTP {b' '.join(words[1:]).decode(errors='replace')}" if words else "it closed the connection"


async def _ask_all(venues: Mapping[str, Venue], timeout: float) -> dict[str, str]:
    urls: dict[str, str] = {}
    for name, dialect in all_dialects().items():
        if venues and name not in venues:
            continue
        websocket = venues.get(name, Venue()).websocket or dialect.production.websocket
        urls[name] = dialect.url(dialect.production._replace(websocket=websocket.rstrip("/")), ())
    answers = await asyncio.gather(*(answer_of(url, timeout) for url in urls.values()))
    return dict(zip(urls, answers, strict=True))


def unreachable(venues: Mapping[str, Venue], timeout: float = TIMEOUT) -> dict[str, str]:
    """Ask every venue of the settings (every dialect, where they name none) at once; return by venue why it can't be reached.

    The reason is empty where it can. `timeout` in seconds, for all together.
    """
    return asyncio.run(_ask_all(venues, timeout))
