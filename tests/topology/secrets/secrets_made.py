"""Secrets as tests make them."""

from pydantic import SecretStr

from topology.secrets.credential import Credential, Environment
from topology.secrets.store import Author

AUTHOR = Author("tester", "here")


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
