"""Commands whose standard streams are closed, full or not of UTF-8: no traceback, and what is lost is told."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

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


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('"$@" nothing 2>&-', 2),
        ('"$@" nothing 2>/dev/full', 2),
        ('"$@" --version >/dev/full 2>/dev/full', 2),
        ('"$@" show - <&-', 2),
    ],
)
def test_wrong_use_is_told_by_the_status_at_least(line, status):
    """Where standard error is closed or full, and without standard input."""
    done = shell(line)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_what_is_opened_next_does_not_get_the_number_of_a_closed_output(tmp_path):
    """A connection that got it would be sent in plaintext what belongs on standard output."""
    program = textwrap.dedent("""
        import gc, os, sys
        from bothways.cli.output.standard_streams import prepare_streams
        prepare_streams()
        gc.collect()
        file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
        try:
            print("secret", flush=True)
        except OSError as error:
            print(error, os.fstat(file).st_size, file=sys.stderr)
            os._exit(0)
    """)
    words = [sys.executable, "-c", program, str(tmp_path / "file")]
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *words],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == "[Errno 9] Bad file descriptor: 'standard output' 0\n"


def test_lines_of_both_outputs_are_in_order_in_one_file(tmp_path):
    """As `2>&1` has it; a pipe's buffer delays nothing that was printed before an error."""
    (tmp_path / "root.pem").write_bytes(root().pem)
    done = shell(f'cd "{tmp_path}" && "$@" root.pem nothing.pem 2>&1', "show")
    assert done.stdout.splitlines()[-1] == "bothways: nothing.pem: No such file or directory"
    assert done.stdout.startswith("root.pem: certificate: ")
