"""Numbers as Coinbase writes them: decimal text, empty where there is none."""

from schemas.decimals import encode, scale_of


def number(text: str | None) -> bytes | None:
    """Return a number as Avro's bytes; None where there is none. InvalidDatum where it is no number."""
    return encode(text) if text else None


def decimals(step: str | None) -> int | None:
    """Return how many decimals a step has: `0.01000000` has two; no step, or one of 0, says nothing."""
    if not step or not step.strip("0."):
        return None
    return scale_of(step.rstrip("0")) if "." in step else 0
