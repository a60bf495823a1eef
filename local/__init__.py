"""The embedded local stack: the real broker, schema registry and ClickHouse engine, without Docker."""

from local.stack import PARTS, LocalStack
from topology.addresses import Addresses

__all__ = ["PARTS", "Addresses", "LocalStack"]
