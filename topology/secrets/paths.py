"""Names of secrets: what may stand in one, so that it is the same in a file system, a Vault and a policy."""

import re

from topology.errors import Fatal

_SEGMENT = r"[a-z0-9][a-z0-9_.-]{0,99}"
_PATH = re.compile(rf"^{_SEGMENT}(/{_SEGMENT}){{0,7}}$")


def checked(path: str) -> str:
    """Return the path as it is; Fatal where it is no name of a secret (`credentials/kraken/mainnet`)."""
    if not _PATH.match(path):
        raise Fatal(f"{path!r} is no path of a secret: parts of lower case letters, digits, `_`, `.` and `-`, joined by `/`")
    return path
