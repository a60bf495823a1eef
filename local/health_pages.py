"""The health pages of running stages, as anybody who looks at them finds them (topology/health.py serves them)."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from local.readings import FaultReading
from topology.state_folder import STAGES


def pages_of(state_dir: Path) -> dict[int, str]:
    """Return the health address of each process that has written one, by process number.

    Only looks: a file that is half written or of a process that is gone is passed over, and removed by others.
    """
    found: dict[int, str] = {}
    for path in (state_dir / STAGES).glob("*.json"):
        try:
            one = json.loads(path.read_text())
            found[int(one["pid"])] = str(one["url"])
        except (OSError, ValueError, KeyError):
            continue
    return found


def page(url: str) -> tuple[int, str]:
    """Return status and text of a page; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a stage's own page on loopback
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return 0, ""


def readiness(url: str, part: str = "") -> tuple[str, str]:
    """Return a stage's state and why it is not ready; of one of several that share a process, where the page tells of that `part`."""
    if not url:
        return "starting", ""
    return readiness_in(*page(f"{url}/ready"), part)


def readiness_in(status: int, text: str, part: str = "") -> tuple[str, str]:
    """Return what /ready has answered; see `readiness`."""
    if not status:
        return "silent", "its health page does not answer"
    try:
        told = json.loads(text)
        if (own := told.get("parts", {}).get(part)) is not None:
            return str(own["status"]), str(own["reason"])
        return ("ready", "") if status == HTTPStatus.OK else ("waiting", str(told.get("reason", "")))
    except (ValueError, TypeError, KeyError, AttributeError):  # another program's page
        return ("ready", "") if status == HTTPStatus.OK else ("waiting", text[:100])


def failing(url: str, stage: str = "") -> list[FaultReading]:
    """Return the faults of the last five minutes that a process tells of itself, newest first; none where it does not answer.

    `stage` is whose they are where the page does not say.
    """
    status, text = page(f"{url}/health") if url else (0, "")
    if status != HTTPStatus.OK:
        return []
    try:
        return [
            FaultReading(str(one.get("stage", stage)), str(one["venue"]), str(one["event"]), int(one["count"]), str(one["reason"]))
            for one in json.loads(text).get("faults", ())
        ]
    except (ValueError, TypeError, KeyError, AttributeError):  # another program's page
        return []
