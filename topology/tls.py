"""Whose certificates a client trusts: those a CA of a setting's own has signed, or one that the system knows."""

import ssl
from pathlib import Path

from topology.errors import Fatal


def readable(path: str, setting: str) -> str:
    """Return the path of a file that a setting names; Fatal where it can't be read."""
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise Fatal(f"{setting} names {path}, which can't be read: {error.strerror}") from error
    return path


def trusting(ca: str, setting: str) -> ssl.SSLContext:
    """Return a client's context that trusts the CA in a PEM file (empty: the system's); Fatal where the setting names no such file."""
    try:
        return ssl.create_default_context(cafile=readable(ca, setting) if ca else None)
    except ssl.SSLError as error:
        raise Fatal(f"{setting} names {ca}, in which there is no certificate in PEM: {error}") from error


def distrust(error: BaseException, setting: str) -> Fatal | None:
    """Return what is said of a server whose certificate nobody we trust has signed; None where an error is of another kind."""
    seen: BaseException | None = error
    while seen is not None:
        cause = getattr(seen, "reason", None)
        if isinstance(seen, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(seen):
            return Fatal(f"its certificate is signed by nobody whom we trust ({setting}): {error}")
        seen = cause if isinstance(cause, BaseException) else seen.__cause__
    return None
