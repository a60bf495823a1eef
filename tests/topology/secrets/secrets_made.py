"""Secrets as tests make them."""

from collections.abc import Callable

from pydantic import SecretStr

from topology.secrets.credential import Credential, Environment
from topology.secrets.store import Author, Store

AUTHOR = Author("tester", "here")


def acts(store: Store) -> list[Callable[[], object]]:
    """Return one of each act on the secret `kafka`, which has one version."""
    return [
        lambda: store.read("kafka"),
        lambda: store.metadata("kafka"),
        lambda: store.put("kafka", {"password": "next"}, 1, AUTHOR),
        lambda: store.revoke("kafka", 1),
    ]


def credential(exchange: str = "binance", environment: Environment = "mainnet", key: str = "key-of-the-test") -> Credential:
    """Return a credential; its secret fields end in `of-the-test`."""
    return Credential(
        exchange=exchange,
        environment=environment,
        api_key=SecretStr(key),
        api_secret=SecretStr("secret-of-the-test"),
        passphrase=SecretStr("words-of-the-test"),
        permissions=("read", "trade"),
    )
