"""Programs of ours in Go, built once and kept in pytest's cache: a minute of two processors the first time."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from interop.peers import find


def built(config: pytest.Config, folders: pytest.TempPathFactory, name: str = "peer") -> str:
    """The path of the program go/NAME.go; skips where there is no Go."""
    go = find("go")
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    kept = cache.mkdir("go") if cache is not None else folders.mktemp("go")
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run at once, one compiles what all need
        return compiled(go, Path(__file__).parent / "go" / f"{name}.go", kept)


def compiled(go: str, source: Path, kept: Path) -> str:
    """Compile a program without a network, and return its path. kept: the folder for it and for what Go keeps."""
    environment = os.environ | {
        "GOCACHE": str(kept / "build"),
        "GOPATH": str(kept / "path"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    program = kept / source.stem
    done = subprocess.run(
        [go, "build", "-o", str(program), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(program)
