"""Commands whose standard streams are closed: no traceback, and what is lost is a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no /bin/sh here")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which "$@" is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "bothways"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_output_that_is_closed_is_a_failure():
    """Whoever reads the status learns that nothing was written."""
    done = shell('"$@" --help >&-')
    assert (done.returncode, done.stderr) == (1, "bothways: Bad file descriptor\n")


@pytest.mark.parametrize(("line", "status"), [('"$@" nothing 2>&-', 2), ('"$@" show - <&-', 2)])
def test_wrong_use_is_told_by_the_status_at_least(line, status):
    """Without standard error, and without standard input."""
    done = shell(line)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
