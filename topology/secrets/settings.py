"""The branch `secrets` of the settings: which store, and how to become somebody there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from topology.folders import config_folder
from topology.setting_values import placed_somewhere, sane
from topology.urls import WEB, bare

_MOUNT = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"


def _environment(name: str) -> Callable[[], str]:
    return lambda: os.environ.get(name, "")


def _secret_environment(name: str) -> Callable[[], SecretStr]:
    return lambda: SecretStr(os.environ.get(name, ""))


class Secrets(BaseModel):
    """Where secrets are kept: a Vault where an address is set, else an encrypted local store."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _sane = field_validator("*")(sane)
    _placed_somewhere = field_validator("*", mode="before")(placed_somewhere)

    provider: Literal["", "vault", "local"] = Field(
        "", description="vault or local; empty: vault where an address is set, else local. Local beside an address must be said here."
    )
    address: Annotated[
        str, bare("log in by secrets.role_id, or a token in secrets.token (VAULT_TOKEN), not in secrets.address (VAULT_ADDR)", schemes=WEB)
    ] = Field(
        default_factory=_environment("VAULT_ADDR"),
        validate_default=True,
        description="http(s)://host:port of the Vault; empty: VAULT_ADDR, else none.",
    )
    namespace: str = Field(
        default_factory=_environment("VAULT_NAMESPACE"), description="Vault namespace; empty: VAULT_NAMESPACE, else none."
    )
    ca: str = Field(
        default_factory=_environment("VAULT_CACERT"),
        description="File with the CA that signed the Vault's certificate; empty: VAULT_CACERT, else the system's.",
    )
    mount: str = Field("tidewire", pattern=_MOUNT, description="Mount of the KV engine, version 2.")
    transit_mount: str = Field("transit", pattern=_MOUNT, description="Mount of the transit engine.")
    transit_key: str = Field("tidewire-spill", pattern=_MOUNT, description="Transit key that wraps the data keys of files on disk.")
    approle_mount: str = Field("approle", pattern=_MOUNT, description="Mount of the AppRole login.")
    role_id: str = Field("", description="This process's AppRole; no secret. Empty: log in with `token`.")
    wrapped_secret_id_file: str = Field("", description="File with the wrapping token of the role's secret_id, good for one use.")
    keep_wrapped: bool = Field(
        True,
        description="After login put a new wrapping token into that file, for the next start; needs the policy of `tidewire secrets init`.",
    )
    token: SecretStr = Field(
        default_factory=_secret_environment("VAULT_TOKEN"), description="An operator's token; empty: VAULT_TOKEN. Stages use role_id."
    )
    timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for one answer; seconds.")
    folder: Path = Field(default_factory=lambda: config_folder() / "secrets", description="The local store's folder.")
    key_file: Path = Field(
        default_factory=lambda: config_folder() / "secrets.key",
        description="The local store's key, mode 0600; TIDEWIRE_SECRETS_KEY in the environment comes before it.",
    )
    audit_queue: Path = Field(
        default_factory=lambda: config_folder() / "credential_audit.jsonl",
        description="File in which audit events wait until Kafka has them.",
    )
    poll_seconds: float = Field(4.0, gt=0, le=5, description="How often a new version is looked for, at most; seconds.")
