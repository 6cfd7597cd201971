"""The fixtures as a user's tests have them: in a run of pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from architecture.sources import ROOT, SOURCE

GUIDE = ROOT / "docs" / "testing.md"
USERS = """
import ssl
import urllib.request

import pytest


def test_my_client_refuses_an_expired_server(mtls):
    context = ssl.create_default_context(cafile=mtls.ca)
    with pytest.raises(OSError, match="expired"):
        urllib.request.urlopen(mtls.server("expired").url, context=context)


def test_each_test_has_a_ca_of_its_own(mtls, mtls_session):
    assert mtls.ca.read_bytes() != mtls_session.ca.read_bytes()
    assert mtls_session.server().port
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.network
def test_the_fixtures_are_there_once_the_plugin_is(tmp_path: Path):
    """Named in `pytest_plugins` beside the entry point that an installation has, as some do; loaded once."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["bothways.testing"]\n')
    (tmp_path / "test_users.py").write_text(USERS)
    ended = run(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout


@pytest.mark.network
def test_the_tests_of_the_guide_pass_as_they_stand(tmp_path: Path):
    blocks = re.findall(
        r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "test_guide.py").write_text("".join(blocks))
    ended = run(tmp_path, "-p", "bothways.testing")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "9 passed" in ended.stdout, "a test for each kind that the guide names, and three more"


def test_the_plugin_costs_a_run_that_does_not_use_it_no_engine(tmp_path: Path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    assert 'bothways.testing.plugin' in sys.modules\n"
        "    assert not {'bothways.tls', 'bothways.ca', 'cryptography'} & sys.modules.keys()\n"
    )
    ended = run(tmp_path, "-p", "bothways.testing")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_package_names_the_plugin_as_the_module_is_named():
    """Under another name it would be loaded twice, which ends a run, where a conftest names it too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"bothways.testing": "bothways.testing"}
