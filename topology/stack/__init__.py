"""The embedded local stack: the real broker, schema registry and ClickHouse engine, without Docker."""

from topology.addresses import Addresses
from topology.stack.local import PARTS, LocalStack

__all__ = ["PARTS", "Addresses", "LocalStack"]
