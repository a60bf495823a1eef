"""The embedded local stack: the real broker, schema registry and ClickHouse engine, without Docker."""

from topology.stack.local import PARTS, Addresses, LocalStack

__all__ = ["PARTS", "Addresses", "LocalStack"]
