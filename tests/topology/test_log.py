"""Logs are key-values on stderr, ours and the libraries' alike, for people or for machines."""

import json
import os
import subprocess
import sys

PROGRAM = """
import logging
from topology.log import configure, logger
from topology.settings import Log
configure(Log(level={level!r}, format={form!r}), "normalise")
logger().info("A frame was read.", venue="binance", offset=7)
logger().debug("nobody asked for this")
logging.getLogger("somebody.else").warning("it is %s", "late")
logging.getLogger("aiokafka").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    logger().exception("It failed.")
"""


def said(level: str, form: str) -> str:
    """Return what a process of a stage writes to stderr; it writes nothing to stdout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWIRE_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level, form=form)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_lines_for_machines() -> None:
    """Each line is a JSON object with event, level, time in UTC and stage, a library's too; a traceback is one field of it."""
    ours, library, failure = [json.loads(line) for line in said("info", "json").splitlines()]
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {"event": "A frame was read.", "level": "info", "stage": "normalise", "venue": "binance", "offset": 7}
    assert (library["event"], library["level"], library["stage"]) == ("it is late", "warning", "normalise")
    assert failure["event"] == "It failed."
    assert "ZeroDivisionError" in failure["exception"]


def test_lines_for_people() -> None:
    """Text has the same, readable, and without colours where nobody looks."""
    text = said("info", "text")
    assert "A frame was read." in text
    assert "venue=binance" in text
    assert "stage=normalise" in text
    assert "ZeroDivisionError" in text
    assert "\x1b[" not in text


def test_the_level_is_the_least_that_is_written() -> None:
    """What is less severe than the setting is left out, whoever says it."""
    events = [json.loads(line)["event"] for line in said("error", "json").splitlines()]
    assert events == ["It failed."]
    assert "nobody asked for this" in said("debug", "text")
