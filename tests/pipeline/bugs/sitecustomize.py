"""Bugs on purpose: a stage that is started with this folder on its PYTHONPATH has its code fail where TIDEWIRE_TEST_BUGS says.

The variable is JSON: a list of [place, needle], a place being `module:Class.method` or `module:function`. A call fails with a KeyError
where the text of its arguments holds the needle ("": always). Python imports a module of this name at its start.
"""

import functools
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 100_000


def broken(sound: Callable[..., Any], needle: str) -> Callable[..., Any]:
    """Return a function that fails for some arguments, else does what it did."""

    @functools.wraps(sound)
    def call(*arguments: Any, **named: Any) -> Any:
        if not needle or needle in repr((arguments, named))[:LONGEST]:
            raise KeyError(f"a bug in {sound.__qualname__}")
        return sound(*arguments, **named)

    return call


def plant(place: str, needle: str) -> None:
    """Put a bug where it belongs."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    setattr(owner, name, broken(getattr(owner, name), needle))


sys.path.insert(0, str(Path.cwd()))  # as `python -m` will do: the tree under test goes before what is installed
try:
    for place, needle in json.loads(os.environ.get("TIDEWIRE_TEST_BUGS", "[]")):
        plant(place, needle)
except Exception:  # noqa: BLE001 - whatever it was, the stage must not run without its bugs
    traceback.print_exc()
    os._exit(70)  # Python would go on without a word, and without the bugs
