"""Names and texts of secrets: what may stand in them, so that it is the same in a file system, a Vault, a policy and on a terminal."""

import re
from collections.abc import Mapping
from typing import Any

from topology.errors import Fatal, Reject
from topology.terminal import printable

MOST_FIELDS = 100
MOST_TEXT = 65_536
"""Characters of the longest value; the longest key in use, a PEM file of RSA, has some 3,300."""
MOST_SHOWN = 60
_SEGMENT = r"[a-z0-9][a-z0-9_.-]{0,99}"
_PATH = re.compile(rf"{_SEGMENT}(/{_SEGMENT}){{0,7}}")
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def is_path(path: str) -> bool:
    """Whether it is a name of a secret."""
    return _PATH.fullmatch(path) is not None


def checked(path: str) -> str:
    """Return the path as it is; Fatal where it is no name of a secret (`credentials/kraken/mainnet`)."""
    if not is_path(path):
        raise Fatal(
            f"{shown(path)} is no path of a secret: at most 8 parts of at most 100 lower case letters, digits, `_`, `.` and `-`, "
            "each beginning with a letter or digit, joined by `/`"
        )
    return path


def checked_fields(path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields that may be written; Reject names what is wrong with which, and shows no value.

    A value is text, a number, true or false, null, or lists and objects of such, as JSON has them.
    """
    if len(fields) > MOST_FIELDS:
        raise Reject(f"{path}: {len(fields)} fields, and at most {MOST_FIELDS} are kept. Nothing was written")
    for name, value in fields.items():
        if not isinstance(name, str) or _FIELD.fullmatch(name) is None:
            raise Reject(
                f"{path}: {shown(str(name))} is no name of a field: at most 100 letters, digits, `_`, `.` and `-`, "
                "beginning with a letter or digit. Nothing was written"
            )
        if isinstance(value, str) and (reason := unfit(value)):
            raise Reject(f"{path}: field {name} {reason}. Nothing was written")
    return dict(fields)


def unfit(value: str) -> str:
    """Return why a text can't be kept as a value: that no header, argument or password takes it as it is; empty where it can."""
    if len(value) > MOST_TEXT:
        return f"has {len(value)} characters, and at most {MOST_TEXT} are kept"
    plain = value.replace("\r\n", "\n")
    if printable(plain, lines=True) != plain:
        return "holds a character that can't be seen (NUL, control, direction or half a character): was it copied whole, and nothing else?"
    return ""


def shown(name: str) -> str:
    """Return a name in quotes, cut where it is long."""
    return repr(name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…")
