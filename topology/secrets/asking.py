"""Ask an exchange something that only a key's owner may ask, through ccxt, which signs as each exchange wants it.

What is asked is in a file an exchange: topology/secrets/exchanges/<exchange>.py.
"""

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from topology.errors import Reject, Retry
from topology.secrets.credential import Credential

MOST_WORDS = 250
SECONDS = 10
SHORTEST_SECRET = 4
"""What is shorter stands in any text by chance."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request of an exchange's private interface."""

    exchange: str
    """Its name in ccxt too."""
    section: str | tuple[str, ...]
    """ccxt's name of the part of its interface."""
    path: str
    method: str = "GET"
    refusals: tuple[str, ...] = ()
    """Words by which it refuses a key and which ccxt does not know for that."""


def voice(exchange: str) -> types.ModuleType:
    """Return an exchange's file; Reject where there is none."""
    try:
        return importlib.import_module(f"topology.secrets.exchanges.{exchange}")
    except ModuleNotFoundError:
        raise Reject(f"keys of {exchange} can't be used: there is no topology/secrets/exchanges/{exchange}.py") from None


def ask(question: Question, credential: Credential, base: str = "") -> Mapping[str, Any]:
    """Return the exchange's answer. `base` is another REST address than the exchange's own.

    Raises PermissionError, in the exchange's words and without a value, where it refuses the key; Retry where it is away or says
    neither yes nor no; Reject where it has no such way.
    """
    ccxt_errors = exchange_module("base.errors")
    secrets = [credential.api_key, credential.api_secret, credential.passphrase]
    client = getattr(exchange_module(question.exchange), question.exchange)({
        "apiKey": secrets[0].get_secret_value(),
        "secret": secrets[1].get_secret_value(),
        "password": secrets[2].get_secret_value(),
        "timeout": SECONDS * 1_000,
        "enableRateLimit": False,
    })  # fmt: skip
    if credential.environment == "testnet" and not base:
        client.set_sandbox_mode(enabled=True)
    if base:
        client.urls["api"] = _moved(client.urls["api"], base)
    section = [question.section] if isinstance(question.section, str) else list(question.section)
    try:
        answer: Mapping[str, Any] = client.fetch2(question.path, section, question.method, {})
    except ccxt_errors.OperationFailed as error:
        raise Retry(f"{question.exchange} does not answer ({type(error).__name__})", 5) from None
    except ccxt_errors.NotSupported:
        raise Reject(f"{question.exchange} has no {question.path} for a key of its {credential.environment}") from None
    except ccxt_errors.AuthenticationError as error:
        raise PermissionError(f"{question.exchange} refuses it: {_words(error, [one.get_secret_value() for one in secrets])}") from None
    except ccxt_errors.BaseError as error:
        if any(words in str(error) for words in question.refusals):
            raise PermissionError(f"{question.exchange} refuses it: {_words(error, [one.get_secret_value() for one in secrets])}") from None
        # Neither a yes nor a no: the version in use stays, and it is asked again.
        raise Retry(f"{question.exchange} does not answer {question.path} for this key ({type(error).__name__})", 60) from None
    except ValueError as error:
        # A secret that is no base64 or no PEM fails while signing, with words that may hold a part of it.
        raise PermissionError(f"{question.exchange}: nothing can be signed with this secret ({type(error).__name__})") from None
    return answer


def _words(error: Exception, secrets: list[str]) -> str:
    """Return what an exchange said, without the request and without a secret it may have echoed."""
    text = " ".join(word for word in str(error).split() if "://" not in word)
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return f"{type(error).__name__}: {text}"[:MOST_WORDS]


def _moved(urls: Any, base: str) -> Any:
    """Return ccxt's addresses with another server in them."""
    if isinstance(urls, dict):
        return {name: _moved(url, base) for name, url in urls.items()}
    return base.rstrip("/") + urlsplit(urls.replace("{hostname}", "host")).path if isinstance(urls, str) else urls


def exchange_module(name: str) -> Any:
    """Import one module of ccxt. Its package file imports every exchange there is, for seconds: this leaves that out."""
    if "ccxt" not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec("ccxt")
        if spec is None:
            raise Reject("keys can't be validated without ccxt: `make venv` installs it")
        package = types.ModuleType("ccxt")
        package.__path__ = list(spec.submodule_search_locations or ())
        package.__spec__ = spec
        sys.modules["ccxt"] = package
    return importlib.import_module(f"ccxt.{name}")
