"""Text from outside, as it may be shown on a terminal."""

import re

_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""What a terminal obeys instead of showing it, 8-bit forms too (ECMA-48), and what turns the order of a line's letters (UAX 9)."""
_IN_A_LINE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""The same without tabs and line ends."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text in which nothing commands a terminal: each such character as `\u001b`, which in JSON is the same text still.

    `lines`: tabs and line ends stay. For whatever of outside is printed: data, addresses, answers of servers, logs.
    """
    return (_IN_A_LINE if lines else _COMMANDS).sub(lambda found: f"\\u{ord(found.group()):04x}", text)
