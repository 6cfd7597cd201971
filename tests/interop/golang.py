"""Programs of ours in Go, built once and kept in pytest's cache: half a minute of a processor the first time."""

from __future__ import annotations

import contextlib
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
    kept = _folder(config, folders)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of tests that run at once, one compiles what all need
        return compiled(go, Path(__file__).parent / "go" / f"{name}.go", kept, *QUICKLY)


def _folder(config: pytest.Config, folders: pytest.TempPathFactory) -> Path:
    """Pytest's cache; a folder of this run where there is none (-p no:cacheprovider) or nobody can write to it."""
    if (cache := getattr(config, "cache", None)) is not None:
        with contextlib.suppress(OSError):
            kept = cache.mkdir("go")
            (kept / "lock").touch()
            return kept
    return folders.mktemp("go")


def compiled(go: str, source: Path, kept: Path, *options: str) -> str:
    """Compile a program without a network, and return its path.

    kept: the folder for it.
    """
    program = kept / source.stem
    done = subprocess.run(
        [go, "build", *options, "-o", str(program), str(source)],
        env=environment(kept),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(program)


def environment(kept: Path) -> dict[str, str]:
    """Variables with which Go compiles without a network.

    kept: the folder for what Go keeps where there is no home, or one that cannot be written to; else Go keeps it where
    it always does, so that another checkout finds it.
    """
    there = {"XDG_CACHE_HOME", "GOCACHE"} & os.environ.keys() or os.access(
        os.environ.get("HOME", ""), os.W_OK
    )
    return {
        **os.environ,
        **({} if there else {"GOCACHE": str(kept / "build")}),
        "GOPATH": str(kept / "path"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
