"""What must be known to read a connection's streams whole (what a contract holds), asked for over REST and published among its frames."""

import asyncio
from collections.abc import Sequence

from dialects.contract import Request
from producers.backoff import Backoff
from producers.frames import Frames
from producers.rest import Rest, Unclear
from topology.errors import Reject
from topology.log import logger

AGAIN_SECONDS = 3600.0
"""They are asked for again so often while the connection lives: a venue may change what a contract holds."""
REFUSED_SECONDS = 60.0
"""What has no answer that can be used is asked for again after this."""


async def keep_references(requests: Sequence[Request], rest: Rest, frames: Frames, backoff: Backoff) -> None:
    """Publish the replies, again and again, until cancelled. Until one is there its streams are read without it."""
    while True:
        found = [await publish_reference(request, rest, frames, backoff) for request in requests]
        await asyncio.sleep(AGAIN_SECONDS if all(found) else REFUSED_SECONDS)


async def publish_reference(request: Request, rest: Rest, frames: Frames, backoff: Backoff) -> bool:
    """Publish the reply to one request; return whether there was one: what the venue refuses is told, and is no reason to stop."""
    try:
        body, received_at = await rest.get_with_retries(request, backoff.wait, line="references")
    except (Unclear, Reject) as error:
        logger().warning("what its streams are read with can't be had", request=request.text, reason=str(error))
        return False
    frames.reply(body, request.text, received_at)
    return True
