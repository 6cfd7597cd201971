"""The public names of `bothways.testing`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bothways import testing
from command_line import environment


def test_every_public_name_is_there():
    assert all(hasattr(testing, name) for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = testing.Nothing


WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
from bothways import testing
testing.MutualTLS
from bothways.testing import mtls
"""


def test_without_pytest_everything_but_the_fixtures_is_there():
    """And who asks for those is told what to install."""
    program = [sys.executable, "-c", WITHOUT_PYTEST]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: mtls needs pytest: pip install 'bothways[testing]'\n")
