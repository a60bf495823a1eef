"""The embedded broker, with a door for those who log in: SASL_SSL, users, and an authorizer that refuses what no ACL grants."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from local.downloads import default_cache_dir
from local.java import find_java
from local.kafka import Kafka as Server
from local.ports import HOST, remembered_ports
from local.watchdog import Watchdog
from tests.secured.certificates import Authority

PATIENCE = 30.0
PASSWORD = "swordfish"
PLAIN_USER = "plain-user"
ITERATIONS = 4096


class SecuredBroker:
    """A broker of a folder's own. Whoever speaks plain text to `server.address` is its administrator; all others log in."""

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        names = ("kafka", "controller", "sasl", "tls")
        ports = remembered_ports(folder / "ports.json", names)
        self.authority = Authority(folder)
        certificate, key = self.authority.signed("broker")
        store = folder / "broker.store.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        self.sasl = f"{HOST}:{ports['sasl']}"
        """SASL_SSL: SCRAM, and PLAIN for `PLAIN_USER`."""
        self.tls = f"{HOST}:{ports['tls']}"
        """SSL: a client's certificate says who it is."""
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
        settings = {
            "listeners": f"SASL_SSL://{self.sasl},SSL://{self.tls}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": _scram(),
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _scram(),
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{plain} required user_{PLAIN_USER}="{PASSWORD}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        self.server = Server(
            folder, default_cache_dir(), find_java(), ports["kafka"], ports["controller"], watchdog, lambda _: None, settings
        )
        self.server.start()
        self.admin = AdminClient({"bootstrap.servers": self.server.address, "log_level": 0})

    def stop(self) -> None:
        """Stop the broker."""
        self.server.stop()

    def add_user(self, name: str, password: str = PASSWORD, mechanism: ScramMechanism = ScramMechanism.SCRAM_SHA_512) -> None:
        """Let a user log in."""
        one = UserScramCredentialUpsertion(name, ScramCredentialInfo(mechanism, ITERATIONS), password.encode())
        for future in self.admin.alter_user_scram_credentials([one]).values():
            future.result(PATIENCE)
        # The answer comes before the brokers know it (KRaft): whoever logs in at once would be refused.
        until = time.monotonic() + PATIENCE
        while name not in self._users():
            assert time.monotonic() < until, f"{name} is no user"
            time.sleep(0.02)

    def _users(self) -> Any:
        future: Any = self.admin.describe_user_scram_credentials()
        return future.result(PATIENCE)

    def grant(self, bindings: Iterable[AclBinding]) -> None:
        """Add ACLs."""
        for future in self.admin.create_acls(list(bindings)).values():
            future.result(PATIENCE)

    def take_back(self, bindings: Iterable[AclBinding]) -> None:
        """Delete ACLs."""
        filters = [
            AclBindingFilter(one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type)
            for one in bindings
        ]
        for future in self.admin.delete_acls(filters).values():
            future.result(PATIENCE)

    def deny(self, user: str) -> None:
        """Take all ACLs of a user away."""
        anything: Any = None
        everything = AclBindingFilter(
            ResourceType.ANY, anything, ResourcePatternType.ANY, f"User:{user}", anything, AclOperation.ANY, AclPermissionType.ANY
        )
        for future in self.admin.delete_acls([everything]).values():
            future.result(PATIENCE)


def _scram() -> str:
    return "org.apache.kafka.common.security.scram.ScramLoginModule required;"
