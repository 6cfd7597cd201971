"""Names that a module imports on first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(module: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a module that imports its names from where they are defined.

    module: its `__name__`.  homes: the names, separated by spaces, by the module that defines them; "former=present"
    leads a former name to the present one.
    The function that is returned raises AttributeError for any other name.
    """
    homes_of = {
        each.partition("=")[0]: (home, each) for home, names in homes.items() for each in names.split()
    }

    def get(name: str) -> object:
        if name not in homes_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, each = homes_of[name]
        value: object = getattr(import_module(home), each.rpartition("=")[2])
        setattr(sys.modules[module], name, value)
        return value

    return get
