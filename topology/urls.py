"""Addresses in settings: no user and no password in them, since addresses are printed, logged and handed to others."""

from collections.abc import Collection
from urllib.parse import urlsplit

from pydantic import AfterValidator

WEB = ("http", "https")


def bare(belongs: str, *, query: bool = False, schemes: Collection[str] = ()) -> AfterValidator:
    """Return the check of an address: refused where it may hold a secret, in words that say what `belongs` where, and never the value.

    Any `@` is refused, not only one before the path: a password may hold a slash. `query`: whether parameters may follow. `schemes`: those
    that a URL may have; none: the address is a list of host:port.
    """

    def checked(address: str) -> str:
        if "@" in address:
            raise ValueError(f"this address holds a user or a password, and addresses are printed and logged: {belongs}")
        if not query and ("?" in address or "#" in address):
            raise ValueError(f"this address has parameters, which are not used: {belongs}")
        if address and (reason := _of_url(address, schemes) if schemes else _of_hosts(address)):
            raise ValueError(reason)
        return address

    return AfterValidator(checked)


def _of_url(address: str, schemes: Collection[str]) -> str:
    wanted = f"an address like {'|'.join(schemes)}://host:port is wanted"
    try:
        parts = urlsplit(address)
        is_one = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that don't close, a port that is none
        is_one = False
    return "" if is_one and address.isprintable() and " " not in address else wanted


def _of_hosts(addresses: str) -> str:
    return "" if all(map(_is_host, addresses.split(","))) else "addresses like host:port, joined by commas, are wanted"


def _is_host(address: str) -> bool:
    host, colon, port = address.strip().rpartition(":")
    name = host if colon else port
    is_port = not colon or (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65_535)
    return bool(name) and name.isprintable() and " " not in name and is_port
