"""A command whose argument is SQL, which may begin with a comment: `-- …` looks like an option to who reads command lines."""

from typing import Any

from typer.core import TyperCommand


class SqlCommand(TyperCommand):
    """Takes what begins like an option and holds a space or a line end for SQL: no option does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, such SQL behind all options."""
        if "--" not in args:
            sql = [one for one in args if one.startswith("--") and len(one.split(None, 1)) > 1]
            if sql:
                args = [*(one for one in args if one not in sql), "--", *sql]
        return super().parse_args(ctx, args)


__all__ = ["SqlCommand"]
