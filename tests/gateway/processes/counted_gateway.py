"""The command `bothways`, in which all CRLs count as long, and which tells what each process reads and checks of files.

A line of standard error for each call: `counted NAME PROCESS`.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from bothways.gateway.processes import taking
from bothways.gateway.reload import current
from bothways.trust.crl import revocation_list


def count(module: ModuleType, name: str) -> None:
    original: Callable[..., Any] = getattr(module, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        os.write(2, f"counted {name} {os.getpid()}\n".encode())
        return original(*arguments, **options)

    setattr(module, name, counted)


if __name__ == "__main__":
    revocation_list.LONG_CRL = 0
    revocation_list.SLICE_OCTETS = 100
    for name in ("index_entries", "digest_of"):
        count(revocation_list, name)
    for module in (taking, current):
        count(module, "parsed_config")
    sys.argv[0] = "bothways"
    runpy.run_module("bothways.cli", run_name="__main__")
