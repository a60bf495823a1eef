"""What is kept as a secret of an exchange, and what is known about it without opening it."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from topology.secrets.errors import Malformed
from topology.secrets.paths import checked

FOLDER = "credentials"
MOST_DETAIL = 300
Environment = Literal["testnet", "mainnet"]
Permission = Literal["read", "trade", "transfer", "withdraw"]


class Identity(NamedTuple):
    """Which credential: an exchange's for one of its environments."""

    exchange: str
    environment: Environment

    @property
    def path(self) -> str:
        """Where it is kept: `credentials/<exchange>/<environment>`."""
        return checked(f"{FOLDER}/{self.exchange}/{self.environment}")

    @property
    def label(self) -> str:
        """How people and audit events call it: `binance/mainnet`."""
        return f"{self.exchange}/{self.environment}"


class Frozen(BaseModel):
    """A record that can't be changed, takes no unknown field, and keeps its input out of error texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RateLimits(Frozen):
    """What the exchange allows this key beyond, or below, its public limits; null where nothing is known."""

    requests_per_minute: int | None = Field(None, ge=1, description="REST requests (or request weight) per minute.")
    connections: int | None = Field(None, ge=1, description="Websocket connections at one time.")


class Credential(Frozen):
    """An exchange's key. Its secret fields print as asterisks wherever they are shown."""

    exchange: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", description="The venue's name, lower case (binance, kraken …).")
    environment: Environment = Field(description="testnet or mainnet.")
    api_key: SecretStr = Field(min_length=1, description="The public half; kept as a secret all the same.")
    api_secret: SecretStr = Field(min_length=1, description="What requests are signed with.")
    passphrase: SecretStr = Field(SecretStr(""), description="Third part, where the exchange has one (OKX); else empty.")
    permissions: tuple[Permission, ...] = Field((), description="What the key is meant to do; validation compares it with what it can do.")
    rate_limits: RateLimits = Field(RateLimits(), description="What the exchange allows this key.")

    @property
    def identity(self) -> Identity:
        """Which credential this is."""
        return Identity(self.exchange, self.environment)

    @field_serializer("api_key", "api_secret", "passphrase", when_used="json")
    def _masked(self, _value: SecretStr) -> str:
        return "**********"

    def fields(self) -> dict[str, Any]:
        """Return the fields as the stores keep them, opened: to be handed to a store and to nobody else."""
        return {
            "exchange": self.exchange,
            "environment": self.environment,
            "api_key": self.api_key.get_secret_value(),
            "api_secret": self.api_secret.get_secret_value(),
            "passphrase": self.passphrase.get_secret_value(),
            "permissions": list(self.permissions),
            "rate_limits": self.rate_limits.model_dump(),
        }

    @classmethod
    def of(cls, path: str, fields: Mapping[str, Any]) -> Self:
        """Read a credential from a store's fields; Malformed names each field that is missing or wrong, and no value."""
        try:
            found = cls.model_validate(dict(fields), strict=False)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
            raise Malformed(f"{path} is no credential: {wrong}. Write it again: `tidewire secrets put EXCHANGE ENVIRONMENT`") from None
        if found.identity.path != path:
            raise Malformed(f"{path} holds a credential of {found.identity.label}: it was copied there, write it again")
        return found


class Validation(Frozen):
    """What the exchange said of a key, as it is kept beside the secret."""

    at: int = Field(description="When; microseconds since 1970 UTC.")
    ok: bool = Field(description="Whether the key may be used.")
    detail: str = Field("", max_length=MOST_DETAIL, description="What it may do, or why it is refused; never a value.")


class VersionMetadata(Frozen):
    """What is known of one version."""

    version: int = Field(ge=1, description="From 1, by one.")
    created_at: int = Field(description="When it was written; microseconds since 1970 UTC.")
    created_by: str = Field("", description="Who wrote it; empty where nobody noted it (written by another tool).")
    host: str = Field("", description="On which machine.")
    revoked: bool = Field(False, description="Its value is gone for ever.")
    validation: Validation | None = Field(None, description="The newest validation; null where there was none.")


class Metadata(Frozen):
    """What is known of a secret without opening it."""

    path: str = Field(description="Where it is kept.")
    current: int = Field(ge=0, description="The newest version; 0 where there never was one.")
    versions: tuple[VersionMetadata, ...] = Field((), description="Those that are kept, oldest first.")

    def version(self, number: int) -> VersionMetadata | None:
        """Return one version's, null where it is not kept any more."""
        return next((one for one in self.versions if one.version == number), None)


def last_four(secret: SecretStr) -> str:
    """Return a secret so that its owner knows it again: its last four characters, and of a short one nothing."""
    value = secret.get_secret_value()
    return "…" + value[-4:] if len(value) >= 16 else "…" if value else ""
