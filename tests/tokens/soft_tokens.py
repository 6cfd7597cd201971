"""Tokens to keep keys on: SoftHSM2's, in a directory of the test's own.

SoftHSM2 reads its configuration once in a process, so all tests of one process share a directory.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from glob import glob
from itertools import count
from pathlib import Path

import pytest

from interop import peers

PIN, SO_PIN = "sesame-1234", "administrator"
FOLDERS = ("/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/lib64/softhsm", "/usr/local/lib/softhsm")
_names = count()


@dataclass(frozen=True)
class Token:
    """An empty token."""

    name: str
    module: str

    def uri(self, key: str = "issuing", more: str = "") -> str:
        return f"pkcs11:token={self.name};object={key}{more}"


def new_token(patch: pytest.MonkeyPatch) -> Token:
    """Make an empty token, and name its driver in the environment."""
    program = peers.find("softhsm2-util")
    modules = [found for folder in FOLDERS for found in glob(f"{folder}/libsofthsm2.so")]
    assert modules, "softhsm2-util is there, and its module is not"
    patch.setenv("SOFTHSM2_CONF", str(_configuration()))
    patch.setenv("PKCS11_MODULE", modules[0])
    name = f"test{os.getpid()}-{next(_names)}"
    subprocess.run(
        [program, "--init-token", "--free", "--label", name, "--so-pin", SO_PIN, "--pin", PIN],
        check=True, capture_output=True,
    )  # fmt: skip
    _see_it(modules[0])
    return Token(name, modules[0])


@cache
def _configuration() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="bothways-tokens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    return configuration


def _see_it(module: str) -> None:
    """A driver that is loaded already looks for new tokens when it is begun again."""
    import pkcs11

    pkcs11.lib(module).reinitialize()
