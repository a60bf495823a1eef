"""`tidewire secrets init` at a Vault: mounts, policies, roles, transit keys and the audit device. Run again, it changes nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions

from topology.errors import Fatal
from topology.secrets import files
from topology.secrets.errors import Missing
from topology.secrets.paths import is_path, shown
from topology.secrets.policies import Role, policy, spill_key
from topology.secrets.settings import Secrets
from topology.secrets.vault_login import WRAP_SECONDS
from topology.secrets.vault_session import Session

KEPT_VERSIONS = 50
TOKEN_PERIOD = 3_600
"""A stage's token is renewed for as long as it runs; seconds between two renewals at most."""
SECRET_ID_SECONDS = 30 * 86_400
AUDIT = "tidewire-file"


class Setup:
    """Prepare a Vault, as an operator whose token may mount and write policies."""

    def __init__(self, session: Session, secrets: Secrets) -> None:
        self._session = session
        self._secrets = secrets
        self.changes: list[str] = []
        """What was changed, in words; empty where everything was there."""

    def run(self, roles: Iterable[Role], audit_file: str = "") -> list[str]:
        """Prepare everything; return what was changed.

        `audit_file` is a path on the Vault's own machine; empty: no audit device is added.
        """
        secrets = self._secrets
        self._mount(secrets.mount, "kv", {"version": "2"})
        self._configure_kv()
        self._mount(secrets.transit_mount, "transit", {})
        self._approle()
        for role in roles:
            if role.spills:
                self._key(spill_key(secrets, role.exchange))
            self._policy(role)
            self._role(role)
        if audit_file:
            self._audit(audit_file)
        return self.changes

    def _call(self, path: str, method: str, body: dict[str, Any] | None = None) -> Any:
        return self._session.call(path, lambda client: client.adapter.request(method, f"/v1/{path}", json=body))

    def _read(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._call(path, "get")["data"]
        except Missing:
            return None
        return found

    def _mount(self, mount: str, kind: str, options: dict[str, str]) -> None:
        there = (self._read("sys/mounts") or {}).get(f"{mount}/")
        if there is None:
            self._call(f"sys/mounts/{mount}", "post", {"type": kind, "options": options})
            self.changes.append(f"mounted the {kind} engine at {mount}/")
        elif there["type"] != kind or any((there["options"] or {}).get(name) != value for name, value in options.items()):
            raise Fatal(f"at {mount}/ there is a {there['type']} engine {there['options'] or ''}: name another mount in secrets.mount")

    def _configure_kv(self) -> None:
        path = f"{self._secrets.mount}/config"
        wanted = {"cas_required": True, "max_versions": KEPT_VERSIONS}
        there = self._read(path) or {}
        if any(there.get(name) != value for name, value in wanted.items()):
            self._call(path, "post", wanted)
            self.changes.append(
                f"{self._secrets.mount}/: a write must name the newest version (check-and-set); {KEPT_VERSIONS} versions kept"
            )

    def _approle(self) -> None:
        mount = self._secrets.approle_mount
        there = (self._read("sys/auth") or {}).get(f"{mount}/")
        if there is None:
            self._call(f"sys/auth/{mount}", "post", {"type": "approle"})
            self.changes.append(f"enabled AppRole logins at auth/{mount}/")
        elif there["type"] != "approle":
            raise Fatal(f"at auth/{mount}/ there are {there['type']} logins: name another mount in secrets.approle_mount")

    def _key(self, name: str) -> None:
        path = f"{self._secrets.transit_mount}/keys/{name}"
        if self._read(path) is None:
            self._call(path, "post", {"type": "aes256-gcm96", "exportable": False})
            self.changes.append(f"made the transit key {name}")

    def _policy(self, role: Role) -> None:
        path = f"sys/policies/acl/{role.name}"
        text = policy(role, self._secrets)
        if (self._read(path) or {}).get("policy") != text:
            self._call(path, "put", {"policy": text})
            self.changes.append(f"wrote the policy {role.name}")

    def _role(self, role: Role) -> None:
        path = f"auth/{self._secrets.approle_mount}/role/{role.name}"
        wanted: dict[str, Any] = {
            "token_policies": [role.name],
            "token_no_default_policy": False,
            "token_period": TOKEN_PERIOD,
            "secret_id_ttl": SECRET_ID_SECONDS,
            "secret_id_num_uses": 0,
            "bind_secret_id": True,
        }
        there = self._read(path) or {}
        if any(there.get(name) != value for name, value in wanted.items()):
            self._call(path, "post", wanted)
            self.changes.append(f"wrote the role {role.name}")

    def _audit(self, audit_file: str) -> None:
        there = self._read("sys/audit") or {}
        if not any(one["type"] == "file" for one in there.values()):
            self._call(f"sys/audit/{AUDIT}", "put", {"type": "file", "options": {"file_path": audit_file}})
            self.changes.append(f"enabled the audit device {AUDIT}: {audit_file} on the Vault's machine")


def deliver(session: Session, secrets: Secrets, role: str, out: Path) -> str:
    """Put a new wrapping token of a role's secret_id into a file, and return the role's id. Earlier secret_ids of the role stay good."""
    path = _role_path(secrets, role)

    def ask(client: hvac.Client) -> tuple[str, str]:
        role_id = client.adapter.get(f"/v1/{path}/role-id")["data"]["role_id"]
        answer = client.adapter.request("post", f"/v1/{path}/secret-id", headers={"X-Vault-Wrap-TTL": f"{WRAP_SECONDS}s"})
        return role_id, answer["wrap_info"]["token"]

    role_id, token = session.call(path, ask)
    files.replace(out, token.encode())
    return role_id


def withdraw(session: Session, secrets: Secrets, role: str) -> int:
    """Destroy every secret_id of a role, so that none that was intercepted logs in any more; return how many there were."""
    path = _role_path(secrets, role)

    def ask(client: hvac.Client) -> int:
        try:
            accessors = client.adapter.list(f"/v1/{path}/secret-id")["data"]["keys"]
        except hvac.exceptions.InvalidPath:
            return 0
        for accessor in accessors:
            client.adapter.post(f"/v1/{path}/secret-id-accessor/destroy", json={"secret_id_accessor": accessor})
        return len(accessors)

    return session.call(path, ask)


def _role_path(secrets: Secrets, role: str) -> str:
    """Return where a role is; Fatal where that is no name of one."""
    if not is_path(role) or "/" in role:
        raise Fatal(f"{shown(role)} is no name of a role: lower case letters, digits, `_`, `.` and `-` (tidewire-producers-kraken)")
    return f"auth/{secrets.approle_mount}/role/{role}"
