"""Ask an exchange what a key may do, and judge whether it may be used: through ccxt, which signs as each exchange wants it.

Which endpoint tells, and how its answer is read, is a file an exchange: topology/secrets/exchanges/<exchange>.py with a `PROBE`.
A key that may do less than its credential's `permissions` say is refused; so is one that may withdraw, unless they name `withdraw`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from topology.errors import Retry
from topology.secrets.asking import MOST_WORDS, Question, ask, voice
from topology.secrets.credential import Credential, Permission, Validation


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

    question: Question
    read: Callable[[Mapping[str, Any]], Abilities]
    """Reads the answer; KeyError, TypeError or ValueError where it is not as documented."""
    testnet: "Probe | None" = None
    """Another way on the exchange's testnet, where it lacks this one."""


def check(credential: Credential, now: Callable[[], int], base: str = "") -> Validation:
    """Return whether a key may be used, in words that hold no value. `base` is another REST address than the exchange's own.

    Raises Retry where the exchange does not answer or has no time, Reject where it is not known how to ask.
    """
    probe: Probe = voice(credential.exchange).PROBE
    if credential.environment == "testnet" and probe.testnet is not None:
        probe = probe.testnet
    try:
        answer = ask(probe.question, credential, base)
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
