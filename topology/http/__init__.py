"""Every HTTP port of ours, behind one door: who may ask, how much, how long, over how many connections."""

from topology.http.ports import CLICKHOUSE, CONTROL, HEALTH, PORTS, VENUE, Port
from topology.http.server import Server, application, listen, serve

__all__ = ["CLICKHOUSE", "CONTROL", "HEALTH", "PORTS", "VENUE", "Port", "Server", "application", "listen", "serve"]
