"""`vault:path#field` as the value of a setting: fetched from the store, whichever it is, before the settings are validated.

`TIDEWIRE_KAFKA__SASL_PASSWORD=vault:kafka#password` is the only form. The branch `secrets` itself can't hold one: it says where to fetch.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from topology.errors import Fatal
from topology.secrets.settings import Secrets

PREFIX = "vault:"
_FORM = re.compile(r"vault:(?P<path>[^#\s]+)#(?P<field>[^#\s]+)")
BRANCH = "secrets"

Fetch = Callable[[str, str], SecretStr]


def with_secrets(values: Any) -> Any:
    """Return the values of the whole tree of settings, before they are validated, with secrets in the place of references."""
    try:
        secrets = Secrets.model_validate(values.get(BRANCH, {}))
    except ValidationError:
        return values  # the tree's own validation says what is wrong, for every branch at once

    def fetch() -> Fetch:
        from topology.secrets.opening import open_credentials

        return open_credentials(secrets).field

    return resolved(values, fetch)


def resolved(values: Mapping[str, Any], fetch: Callable[[], Fetch]) -> dict[str, Any]:
    """Return settings with each reference replaced by its secret. `fetch` opens the store, and only where there is a reference.

    Raises Fatal, naming the setting, where a reference is malformed or stands in the branch `secrets`.
    """
    opened: list[Fetch] = []

    def secret(setting: str, text: str) -> str:
        form = _FORM.fullmatch(text)
        if form is None:
            raise Fatal(f"{setting} begins with {PREFIX} and is no reference: write vault:path#field (vault:kafka#password)")
        if setting.partition(".")[0] == BRANCH:
            raise Fatal(f"{setting} can't be a reference: the branch {BRANCH} says where references are fetched")
        if not opened:
            opened.append(fetch())
        try:
            return opened[0](form["path"], form["field"]).get_secret_value()
        except Fatal as error:
            raise type(error)(f"{setting}: {error}") from None

    def walked(setting: str, value: Any) -> Any:
        if isinstance(value, SecretStr) and value.get_secret_value().startswith(PREFIX):
            return SecretStr(secret(setting, value.get_secret_value()))
        if isinstance(value, str) and value.startswith(PREFIX):
            return secret(setting, value)
        if isinstance(value, Mapping):
            return {name: walked(f"{setting}.{name}", inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [walked(f"{setting}.{number}", inner) for number, inner in enumerate(value)]
        return value

    return {name: walked(name, value) for name, value in values.items()}
