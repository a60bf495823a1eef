"""Numbers and times as Kraken writes them: JSON numbers whose text counts, and RFC 3339 in UTC.

Prices and sizes are decoded to their text, never through a float: `float_hook=str` leaves what has a point or an exponent as
text, and whole numbers as int.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from schemas.decimals import encode
from schemas.errors import InvalidDatum

Number = Any
"""A JSON number: its text where it has a point or an exponent (float_hook), else an int."""


def encoded(number: Number) -> bytes:
    """Return a number as Avro's bytes; InvalidDatum where it is none."""
    return encode(number if type(number) is str else written(number))


def written(number: Number) -> str:
    """Return a number's text; InvalidDatum where it is none."""
    if type(number) is str:
        return number
    if type(number) is int:
        return str(number)
    raise InvalidDatum(f"{number!r} is not a number")


def microseconds(text: str) -> int:
    """Return an RFC 3339 time in UTC (`2023-09-25T07:49:37.708706Z`) as microseconds since 1970; further digits are cut."""
    digits = text[20:-1]
    if text[-1:] == "Z" and (text[19:-1] == "" or (text[19] == "." and digits.isdigit() and digits.isascii())):
        return _second(text[:19]) + int((digits + "000000")[:6])
    raise InvalidDatum(f"{text!r} is not a time in UTC")


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    try:
        return round(datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()) * 1_000_000
    except ValueError as error:
        raise InvalidDatum(f"{text!r} is not a time") from error
