"""What may be asked of the control server in a body: a JSON object whose fields have the names and types of a dataclass."""

from dataclasses import MISSING, Field
from typing import Any

import msgspec


class Order:
    """Reads bodies that hold some fields of a dataclass; those with a default may be left out."""

    def __init__(self, name: str, fields: list[Field[Any]]) -> None:
        wanted = [(each.name, each.type) if each.default is MISSING else (each.name, each.type, each.default) for each in fields]
        self._read = msgspec.json.Decoder(msgspec.defstruct(name, wanted, forbid_unknown_fields=True)).decode

    def read(self, body: bytes) -> dict[str, Any]:
        """Return the fields; ValueError where they are not what they should be. UTF-8, whatever its head says (RFC 8259, 8.1)."""
        try:
            return msgspec.structs.asdict(self._read(body))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"the body is no such JSON object: {error}") from error
        except RecursionError as error:
            raise ValueError("the body is no such JSON object: it is nested too deep") from error


__all__ = ["Order"]
