"""The command `bothways`, whose workers take a generation only when a file `go` is there, with progress or without.

The first argument: `progress` or `hang`. Both times are shorter than in reality.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

from bothways.gateway.processes import generation, taking, workers
from bothways.gateway.reload.loading import loaded_routes

SECONDS = 2.0
makes_progress = sys.argv[1] == "progress"


def slowly_made(*arguments: Any) -> Any:
    making = arguments[2]
    report: Callable[[], None] = making.progress
    while not os.path.exists("go"):
        time.sleep(0.02)
        if makes_progress:
            report()
    return loaded_routes(*arguments)


if __name__ == "__main__":
    generation.TELL_SECONDS = 0.1
    workers.TAKE_SECONDS = SECONDS
    taking.loaded_routes = slowly_made
    sys.argv[:2] = ["bothways"]
    runpy.run_module("bothways.cli", run_name="__main__")
