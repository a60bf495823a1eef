"""What an exchange gives for a key so that a websocket is let in to authenticated channels: a token that lives for minutes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from topology.errors import Reject, Retry
from topology.secrets.asking import Question, ask, voice
from topology.secrets.credential import Credential


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """How one exchange is asked for a token: TOKEN in topology/secrets/exchanges/<exchange>.py."""

    question: Question
    read: Callable[[Mapping[str, Any]], str]
    """Reads the answer; KeyError, TypeError or ValueError where it is not as documented."""


def token(credential: Credential, base: str = "") -> str:
    """Ask an exchange for a token. `base` is another REST address than the exchange's own.

    Raises Reject, in the exchange's words, where it refuses the key or gives no tokens; Retry where it does not answer.
    """
    request: TokenRequest | None = getattr(voice(credential.exchange), "TOKEN", None)
    if request is None:
        raise Reject(
            f"it is not known how {credential.exchange} gives tokens: topology/secrets/exchanges/{credential.exchange}.py has no TOKEN"
        )
    try:
        return request.read(ask(request.question, credential, base))
    except PermissionError as error:
        raise Reject(str(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise Retry(f"{credential.exchange} answered otherwise than documented ({type(error).__name__}): no token", 60) from None
