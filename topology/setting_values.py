"""What no setting may hold, whatever its own bounds are, and the file that settings are read from."""

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationInfo
from pydantic_settings import TomlConfigSettingsSource

from topology.contents import content
from topology.errors import Fatal

MOST_SECONDS = 1e9
"""The largest number that is no count of bytes or rows: as seconds, 31 years, which every clock and wait can bear."""
MOST = 10**15
MOST_FILE = 1_048_576
"""Bytes of the largest tidewire.toml."""
MOST_DEPTH = 16
"""Of lists and tables within one another: the tree itself is four deep."""
T = TypeVar("T")


def sane(value: T) -> T:
    """Return a setting's value, for pydantic; ValueError where it holds a number that nobody means, or a text that no system takes."""
    if isinstance(value, float) and not (math.isfinite(value) and abs(value) <= MOST_SECONDS):
        raise ValueError(f"a number of at most {MOST_SECONDS:,.0f} is wanted")
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"a number of at most {MOST:,} is wanted")
    if isinstance(value, str | Path) and "\0" in str(value):
        raise ValueError("a text without NUL is wanted")
    if isinstance(value, Mapping):
        for name, one in value.items():
            sane(name), sane(one)
    elif isinstance(value, tuple):
        for one in value:
            sane(one)
    return value


def placed_somewhere(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Return what a setting is given, for pydantic; ValueError where it is a path's and empty: to the system that is the current folder."""
    kind = cls.model_fields[str(info.field_name)].annotation
    if (kind is Path or Path in get_args(kind)) and isinstance(value, str) and not value.strip():
        raise ValueError("an empty text names no place: write a path, or take the setting away")
    return value


def shallow(value: T) -> T:
    """Return what was read of a setting; ValueError where it is nested so deep that looking at it would end the process."""
    inner: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        inner = [below for one in inner if isinstance(one, dict | list) for below in (one.values() if isinstance(one, dict) else one)]
        if not inner:
            return value
    raise ValueError(f"it is nested deeper than {MOST_DEPTH}")


class TomlFile(TomlConfigSettingsSource):
    """tidewire.toml of the working directory, where there is one. Raises Fatal where what is there can't be read as one."""

    def _read_files(self, files: Any, deep_merge: bool = False) -> dict[str, Any]:  # noqa: ARG002 - pydantic's own form
        path = Path(files)
        where = f"{path} in {Path.cwd()}"
        if not os.path.lexists(path):
            return {}
        try:
            return shallow(tomllib.loads(content(path, MOST_FILE).decode()))
        except OSError as error:
            raise Fatal(f"{where} can't be read ({error.strerror}): mend it, or take it away") from error
        except UnicodeDecodeError as error:
            raise Fatal(f"{where} is no text in UTF-8: mend it, or take it away") from error
        except tomllib.TOMLDecodeError as error:
            raise Fatal(f"{where} is no TOML: {error}") from error
        except (RecursionError, ValueError) as error:
            raise Fatal(f"{where} is no TOML that means anything: it is nested too deep, or holds a number of too many digits") from error
