"""ClickHouse's engine as a server of a cluster, as far as the embedded one can be: `python -m tests.sinks.clustered_engine CONFIG …`.

It is local.clickhouse.http with another configuration (a Keeper, macros, clusters) and without the bounds that the embedded stack
has: tests ask what those forbid. The other arguments are those of local.clickhouse.http.
"""

import sys
from pathlib import Path
from typing import Any

from local.clickhouse import engine, http


class Unbounded:
    """Permissions that refuse nothing."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def demand(self, statement: Any, *, may_only_read: bool) -> None:
        """Let every statement run."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def main() -> None:
    """Serve until SIGTERM."""
    folder = Path(sys.argv.pop(1))
    for name, file in (("CONFIGURATION", "server.xml"), ("USERS", "users.xml"), ("Permissions", None)):
        setattr(engine, name, folder / file if file else Unbounded)
    http.main()


if __name__ == "__main__":
    main()
