"""What a producer says of its own connections: frames of kind `notice`, in order with the frames around them.

Gap detection reads them: a hole after `closed` … `connected` is ours to explain by the reconnect; `silent` is a gap in itself.
"""

from typing import Any, Literal, TypedDict

import orjson

from schemas.errors import InvalidDatum

Kind = Literal["connected", "confirmed", "refused", "silent", "resumed", "closed", "dropped", "published"]


class Notice(TypedDict):
    """One remark on a connection.

    connected: the socket is open; `previous` names the connection it replaces, if any; `since`: no connection carried some of
    its streams since then. confirmed: the venue acknowledged subscriptions; `since` as above, for each of its streams.
    refused: it refused some (`reason` in its words).
    silent: a stream said nothing for longer than its limit (`since`: its last word, if it ever spoke). resumed: such a stream speaks
    again, on whichever connection: `since` as the silence's gap has it, `detected_at` when it was told (both microseconds),
    `previous` the connection that told it; with a `reason` it will not speak again, and the silence is over all the same.
    closed: the connection ended; nothing follows on it. dropped: frames given up at the spill bound (`count`).
    published: the producer publishes the events of this connection's frames by itself, and all of those up to the frame `count` are
    delivered, but for the frames `left`, which it leaves to whoever reads frames; with a `reason` it publishes no more of them.
    """

    notice: Kind
    streams: list[tuple[str, str]]
    reason: str
    previous: str | None
    since: int | None
    count: int
    detected_at: int | None
    left: list[int]


def encode(
    kind: Kind,
    *,
    streams: list[tuple[str, str]] | None = None,
    reason: str = "",
    previous: str | None = None,
    since: int | None = None,
    count: int = 0,
    detected_at: int | None = None,
    left: list[int] | None = None,
) -> bytes:
    """Return a notice as the payload of a frame. `streams` are (channel, symbol); `since` is in microseconds since 1970 UTC."""
    return orjson.dumps(
        Notice(
            notice=kind,
            streams=streams or [],
            reason=reason,
            previous=previous,
            since=since,
            count=count,
            detected_at=detected_at,
            left=left or [],
        )
    )


def decode(payload: bytes) -> Notice:
    """Return a notice from a frame's payload; InvalidDatum where it is none."""
    try:
        document: Any = orjson.loads(payload)
        return Notice(
            notice=document["notice"],
            streams=[(channel, symbol) for channel, symbol in document["streams"]],
            reason=document["reason"],
            previous=document["previous"],
            since=document["since"],
            count=document["count"],
            detected_at=document.get("detected_at"),
            left=[int(number) for number in document.get("left") or ()],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDatum(f"not a notice: {error}") from error
