"""What the bytes of a reply are at all. Pure."""

import msgspec

_skim = msgspec.json.Decoder(msgspec.Raw).decode


def is_json(body: bytes) -> bool:
    """Whether a reply is JSON from its first byte to its last; nothing is made of it."""
    try:
        _skim(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def said(body: bytes) -> str:
    """Return the beginning of a reply as text, for a message to a person."""
    return body[:200].decode(errors="replace")
