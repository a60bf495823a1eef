"""`tidewire doctor`: print the findings as they are made."""

from rich.console import Console
from rich.markup import escape

from console.doctor import look
from topology.settings import Settings
from topology.terminal import printable

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(settings: Settings) -> int:
    """Print every finding with its cure; return 1 where one fails."""
    console = Console(highlight=False, soft_wrap=True)
    failed = False
    for finding in look(settings):
        failed |= finding.how == "fail"
        console.print(f"[{COLOURS[finding.how]}]{finding.how:<4}[/] {escape(finding.what):<18} {escape(printable(finding.words))}")
        if finding.cure:
            console.print(f"{'':<24}[dim]→ {escape(printable(finding.cure))}[/]")
    return int(failed)
