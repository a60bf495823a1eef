"""Hear of new versions from a Vault that tells them, on its events websocket, so that nobody waits for the next look.

Source: developer.hashicorp.com/vault/docs/concepts/events: `sys/events/subscribe/kv-v2/data-write`, one JSON document an event, which
names the path and never a value. Vault Enterprise has it from 1.16 on; 1.13 to 1.15 have it where the experiment `events.alpha1` is on.
A Vault without it answers 400 or 404, and looks go on as they are.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp

from topology.errors import Retry, TidewireError
from topology.metrics import retries
from topology.secrets.opening import open_session, provider
from topology.secrets.policies import EVENTS
from topology.secrets.settings import Secrets

if TYPE_CHECKING:
    from topology.secrets.vault_session import Session

AGAIN_SECONDS = 5.0
PING_SECONDS = 30.0
Say = Callable[[str], None]


async def listen_where_told(secrets: Secrets, path: str, heard: Callable[[], None], say: Say) -> None:
    """Listen where the settings choose a Vault; return at once where they choose the local store, which tells nothing."""
    if provider(secrets) == "vault":
        await listen(open_session(secrets), secrets, path, heard, say)


async def listen(session: "Session", secrets: Secrets, path: str, heard: Callable[[], None], say: Say) -> None:
    """Call `heard` for each write of a secret until cancelled, and after each time the Vault could not be heard.

    Returns where this Vault tells no events, or not to us: `say` is told why.
    """
    url = f"{secrets.address.rstrip('/')}/v1/{EVENTS}?json=true"
    context = ssl.create_default_context(cafile=secrets.ca or None)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=secrets.timeout_seconds)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        while True:
            try:
                token = await asyncio.to_thread(session.token)
                headers = {"X-Vault-Token": token} | ({"X-Vault-Namespace": secrets.namespace} if secrets.namespace else {})
                async with client.ws_connect(url, headers=headers, ssl=context, heartbeat=PING_SECONDS) as socket:
                    heard()  # what was written before is told to nobody
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT and path in message.data:
                            heard()
            except aiohttp.WSServerHandshakeError as error:
                if error.status < 500:
                    say(f"{path}: this Vault tells no events ({error.status}): new versions are found by looking")
                    return
            except (aiohttp.ClientError, TimeoutError, OSError, Retry):
                retries.labels("secrets", "events").inc()  # that it is away is said by the looks
            except TidewireError as error:
                say(f"{path}: no events are heard: {error}")
                return
            await asyncio.sleep(AGAIN_SECONDS)
