"""Programs of ours in Go, built once and kept in pytest's cache: half a minute of a processor the first time."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from interop.peers import find

# Without optimization and symbols: what is compiled takes longer than all that the tests run of it.
QUICKLY = ("-gcflags=all=-N -l", "-ldflags=-s -w")


def built(config: pytest.Config, folders: pytest.TempPathFactory, name: str = "peer") -> str:
    """The path of the program go/NAME.go; skips where there is no Go."""
    go = find("go")
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    kept = cache.mkdir("go") if cache is not None else folders.mktemp("go")
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run at once, one compiles what all need
        return compiled(go, Path(__file__).parent / "go" / f"{name}.go", kept, *QUICKLY)


def compiled(go: str, source: Path, kept: Path, *options: str) -> str:
    """Compile a program without a network, and return its path.

    kept: the folder for it and, where there is no home, for what Go keeps; else Go keeps it where it always does, so
    that another checkout finds it.
    """
    there = {"HOME", "XDG_CACHE_HOME", "GOCACHE"} & os.environ.keys()
    environment = os.environ | {
        **({} if there else {"GOCACHE": str(kept / "build")}),
        "GOPATH": str(kept / "path"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    program = kept / source.stem
    done = subprocess.run(
        [go, "build", *options, "-o", str(program), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(program)
