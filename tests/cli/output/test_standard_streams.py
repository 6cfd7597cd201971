"""Commands whose standard streams are closed, full or not of UTF-8: no traceback, and what is lost is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pki import root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no /bin/sh here")


def shell(line: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which "$@" is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "bothways", *more],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('"$@" --help >&-', "Bad file descriptor"),
        ('"$@" --help >/dev/full', "No space left on device"),
        ('"$@" ca nothing --json >/dev/full', "no such command 'nothing'\nHint: try `bothways ca --help`"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_is_told(line, why, unbuffered):
    """Status 1 would be that of a refusal."""
    done = shell(line, PYTHONUNBUFFERED=unbuffered)
    place = "" if "--json" in line else "standard output: "
    assert (done.returncode, done.stderr) == (2, f"bothways: {place}{why}\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (
            ("ca", "nothing", "--json"),
            2,
            "bothways: no such command 'nothing'\nHint: try `bothways ca --help`\n",
        ),
        (("--version",), 1, ""),
    ],
)
def test_an_output_whose_reader_has_gone_ends_the_command(words, status, told, unbuffered):
    """As `head` goes when it has enough; what is wrong is told on standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "bothways", *words],
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (status, told)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("command", ["show", "verify"])
def test_any_name_of_a_file_can_be_printed(tmp_path, encoding, command):
    """In any locale; bytes that are no text, and signs that turn the direction of others, are escaped."""
    path = tmp_path / os.fsdecode(b"\xc5\x81\xff\xe2\x80\xae\n.pem")
    path.write_bytes(root().pem)
    words = [command, str(path), *(["--ca", str(path), "--purpose", "client"] if command == "verify" else [])]
    done = shell('"$@"', *words, PYTHONIOENCODING=encoding)
    assert "Traceback" not in done.stderr
    assert r"\udcff\u202e\n.pem: " in done.stdout


@pytest.mark.parametrize(("line", "status"), [('"$@" nothing 2>&-', 2), ('"$@" show - <&-', 2)])
def test_wrong_use_is_told_by_the_status_at_least(line, status):
    """Without standard error, and without standard input."""
    done = shell(line)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
