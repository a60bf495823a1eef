"""Addresses in settings: no user and no password in them, since addresses are printed, logged and handed to others."""

from pydantic import AfterValidator


def bare(belongs: str, *, query: bool = False) -> AfterValidator:
    """Return the check of an address: refused where it may hold a secret, in words that say what `belongs` where, and never the value.

    Any `@` is refused, not only one before the path: a password may hold a slash. `query`: whether parameters may follow.
    """

    def checked(address: str) -> str:
        if "@" in address:
            raise ValueError(f"this address holds a user or a password, and addresses are printed and logged: {belongs}")
        if not query and ("?" in address or "#" in address):
            raise ValueError(f"this address has parameters, which are not used: {belongs}")
        return address

    return AfterValidator(checked)
