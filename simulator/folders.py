"""Classes that are found by being there: the simulator's registries list nothing by hand."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

Kind = TypeVar("Kind")


def classes(package: ModuleType, kind: type[Kind], module: str = "") -> dict[str, type[Kind]]:
    """Return by its `name` every class derived from `kind` in the modules of a package, or in the module so called of each folder in it.

    Alphabetical; a class without a name is a base of others. Raises ValueError where two classes have one name.
    """
    found: dict[str, type[Kind]] = {}
    for entry in pkgutil.iter_modules(package.__path__):
        if entry.ispkg != bool(module):
            continue
        place = f"{package.__name__}.{entry.name}" + (f".{module}" if module else "")
        for item in vars(importlib.import_module(place)).values():
            name = getattr(item, "name", "") if isinstance(item, type) and issubclass(item, kind) else ""
            if name and found.setdefault(name, item) is not item:
                raise ValueError(f"{name!r} in {place} is the name of two classes: {found[name].__module__} has it too")
    return dict(sorted(found.items()))
