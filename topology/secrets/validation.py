"""Ask an exchange what a key may do, and judge whether it may be used: through ccxt, which signs as each exchange wants it.

Which endpoint tells, and how its answer is read, is a file an exchange: topology/secrets/exchanges/<exchange>.py with a `PROBE`.
A key that may do less than its credential's `permissions` say is refused; so is one that may withdraw, unless they name `withdraw`.
"""

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from topology.errors import Reject, Retry
from topology.secrets.credential import Credential, Permission, Validation

MOST_WORDS = 250
SECONDS = 10
SHORTEST_SECRET = 4
"""What is shorter stands in any text by chance."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an exchange says a key may do."""

    may: frozenset[Permission]
    expires_at: int | None = None
    """Microseconds since 1970 UTC; null where it does not end, or the exchange does not say."""
    any_address: bool = False
    """Whether it works from any IP address."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one exchange tells what a key may do."""

    exchange: str
    """Its name in ccxt too."""
    section: str | tuple[str, ...]
    """ccxt's name of the part of its interface."""
    path: str
    read: Callable[[Mapping[str, Any]], Abilities]
    """Reads the answer; KeyError, TypeError or ValueError where it is not as documented."""
    method: str = "GET"
    testnet: "Probe | None" = None
    """Another way on the exchange's testnet, where it lacks this one."""
    refusals: tuple[str, ...] = ()
    """Words by which it refuses a key and which ccxt does not know for that."""


def probe_of(exchange: str) -> Probe:
    """Return an exchange's probe; Reject where there is none."""
    try:
        module = importlib.import_module(f"topology.secrets.exchanges.{exchange}")
    except ModuleNotFoundError:
        raise Reject(f"keys of {exchange} can't be validated: there is no topology/secrets/exchanges/{exchange}.py") from None
    found: Probe = module.PROBE
    return found


def check(credential: Credential, now: Callable[[], int], base: str = "") -> Validation:
    """Return whether a key may be used, in words that hold no value. `base` is another REST address than the exchange's own.

    Raises Retry where the exchange does not answer or has no time, Reject where it is not known how to ask.
    """
    probe = probe_of(credential.exchange)
    if credential.environment == "testnet" and probe.testnet is not None:
        probe = probe.testnet
    try:
        answer = _ask(probe, credential, base)
    except PermissionError as error:
        return Validation(at=now(), ok=False, detail=str(error)[:MOST_WORDS])
    try:
        abilities = probe.read(answer)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Retry(
            f"{credential.exchange} answered otherwise than documented ({type(error).__name__}): the key stays unvalidated", 60
        ) from None
    return judged(credential, abilities, now())


def judged(credential: Credential, abilities: Abilities, at: int) -> Validation:
    """Compare what a key may do with what it is for."""
    wanted = set(credential.permissions)
    may = ", ".join(sorted(abilities.may)) or "nothing"
    wrong: list[str] = []
    if abilities.expires_at is not None and abilities.expires_at <= at:
        wrong.append("it has expired")
    if lacking := sorted(wanted - abilities.may):
        wrong.append(f"it may not {' and not '.join(lacking)}")
    if "withdraw" in abilities.may and "withdraw" not in wanted:
        wrong.append("it may withdraw and nobody named that: take the right away at the exchange, or put it with --permissions …,withdraw")
    notes = [f"may {may}"]
    if abilities.any_address:
        notes.append("from any IP address")
    detail = "; ".join(wrong) if wrong else ", ".join(notes)
    return Validation(at=at, ok=not wrong, detail=detail[:MOST_WORDS])


def _ask(probe: Probe, credential: Credential, base: str) -> Mapping[str, Any]:
    """Return the exchange's answer. Raises PermissionError, in the exchange's words, where it refuses the key; Retry where it is away."""
    ccxt_errors = exchange_module("base.errors")
    secrets = [credential.api_key, credential.api_secret, credential.passphrase]
    client = getattr(exchange_module(probe.exchange), probe.exchange)({
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
    section = [probe.section] if isinstance(probe.section, str) else list(probe.section)
    try:
        answer: Mapping[str, Any] = client.fetch2(probe.path, section, probe.method, {})
    except ccxt_errors.OperationFailed as error:
        raise Retry(f"{probe.exchange} does not answer ({type(error).__name__})", 5) from None
    except ccxt_errors.NotSupported:
        raise Reject(f"{probe.exchange} has no way to ask what a key of its {credential.environment} may do") from None
    except ccxt_errors.AuthenticationError as error:
        raise PermissionError(f"{probe.exchange} refuses it: {_words(error, [one.get_secret_value() for one in secrets])}") from None
    except ccxt_errors.BaseError as error:
        if any(words in str(error) for words in probe.refusals):
            raise PermissionError(f"{probe.exchange} refuses it: {_words(error, [one.get_secret_value() for one in secrets])}") from None
        # Neither a yes nor a no: the version in use stays, and it is asked again.
        raise Retry(f"{probe.exchange} does not say what this key may do ({type(error).__name__})", 60) from None
    except ValueError as error:
        # A secret that is no base64 or no PEM fails while signing, with words that may hold a part of it.
        raise PermissionError(f"{probe.exchange}: nothing can be signed with this secret ({type(error).__name__})") from None
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
