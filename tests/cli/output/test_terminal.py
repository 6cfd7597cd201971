"""How the commands speak: exit statuses, errors with hints, never a traceback."""

from __future__ import annotations

import errno
import json
import time

import click
import pytest

from bothways import ConfigError, InternalError, Truncated, UsageError
from bothways.cli.output import terminal
from bothways.errors import TimedOut


def ends_with(what: object) -> click.Command:
    @click.command("ends")
    def command() -> object:
        if isinstance(what, BaseException):
            raise what
        return what

    return command


@pytest.mark.parametrize(
    ("what", "status", "printed"),
    [
        (None, 0, ""),
        (0, 0, ""),
        (1, 1, ""),
        ("text", 0, ""),
        (SystemExit(2), 2, ""),
        (SystemExit(None), 0, ""),
        (click.exceptions.Exit(1), 1, ""),
        (click.Abort(), 1, "stopped\n"),
        (click.ClickException("Something is wrong."), 2, "bothways: something is wrong\n"),
        (ConfigError("anchors: none"), 2, "bothways: --ca: none\n"),
        (UsageError("closed"), 2, "bothways: closed\n"),
        (Truncated("server"), 1, f"bothways: {Truncated('server')}\n"),
        (InternalError(), 1, f"bothways: {InternalError()}\n"),
        (
            ConnectionRefusedError(111, "x"),
            1,
            "bothways: connection refused by the host or by a firewall\n",
        ),
        (TimeoutError("timed out"), 1, "bothways: the connection timed out\n"),
        (TimedOut("no TLS connection within 3 seconds"), 1, "bothways: no TLS connection within 3 seconds\n"),
        (FileNotFoundError(2, "No such file", "a.pem"), 2, "bothways: a.pem: No such file\n"),
        (OSError("odd"), 1, "bothways: odd\n"),
    ],
)
def test_every_end_has_its_status_and_its_words(what, status, printed, capsys, monkeypatch):
    """0 done; 1 refused, failed, timed out or cut; 2 wrong use or an unreadable file."""
    monkeypatch.setattr("sys.argv", ["bothways"])
    assert terminal.run(ends_with(what)) == status
    assert capsys.readouterr() == ("", printed)


def test_errors_come_with_what_to_do(capsys):
    """A sentence, then a hint."""
    terminal.report_error("it is so", "do that")
    with pytest.raises(SystemExit) as end:
        terminal.refuse("no", "say yes")
    terminal.say_json({"a": 1})
    assert end.value.code == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[:4] == ["bothways: it is so", "Hint: do that", "bothways: no", "Hint: say yes"]
    assert json.loads(printed[4]) == {"a": 1}


def test_any_error_has_words():
    """Even one without a text."""
    assert terminal.described(OSError()) == "OSError"
    assert terminal.described(ValueError()) == "ValueError"


def test_reports_about_a_peer_are_limited_in_lines_and_length() -> None:
    """Nothing that it sends makes it longer."""
    assert terminal.bounded(["short", "x" * 600]) == ["short", "x" * 600]
    long = terminal.bounded("y" * (600 + number) for number in range(1_000_000))
    assert (len(long), long[0], long[1], long[-1]) == (41, "y" * 600, "y" * 597 + "...", "    ...")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("client_anchors: missing, client_auth='x'", "--client-ca: missing, --client-auth='x'"),
        ("suites: 'X' is unknown", "--suites: 'X' is unknown"),
        ("ca.pem: no such file", "ca.pem: no such file"),
        ("the anchors of a store", "the anchors of a store"),
        ("a.toml, line 8: route[1].alpn: is empty", "a.toml, line 8: route[1].alpn: is empty"),
        ("route[1].backend_tls.server_name: is empty", "route[1].backend_tls.server_name: is empty"),
    ],
)  # fmt: skip
def test_errors_of_a_configuration_are_reported_by_the_names_of_options(text, reported):
    """Who wrote options knows nothing of fields."""
    assert terminal.in_options(text) == reported


def test_a_long_wait_is_reported_and_a_short_one_is_not(capsys):
    """And not when it comes at once."""
    with terminal.waiting("a reply", 0.0):
        for _ in range(200):
            if err := capsys.readouterr().err:
                break
            time.sleep(0.01)
        assert err == "waiting for a reply ...\n"
    with terminal.waiting("a reply", 0.2) as answered:
        answered()
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


class Full:
    """Standard error on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, text)


@pytest.mark.parametrize("there", [Full(), None])
def test_a_message_that_standard_error_does_not_take_ends_nothing(monkeypatch, there):
    """None: its descriptor was closed before we began."""
    monkeypatch.setattr("sys.stderr", there)
    terminal.say("words")
    with pytest.raises((OSError, ValueError)):
        terminal.say_or_fail("words")


def test_a_person_at_a_terminal_is_asked(monkeypatch, tmp_path):
    """And nobody else."""

    class Terminal:
        def __init__(self, is_one: bool) -> None:
            self.isatty = lambda: is_one

    monkeypatch.setattr(terminal.getpass, "getpass", lambda text, stream: "typed")
    monkeypatch.setattr("sys.stdin", Terminal(True))
    assert terminal.passphrase(None, "a.key") == "typed"
    monkeypatch.setattr("sys.stdin", Terminal(False))
    assert terminal.passphrase(None, "a.key") is None
    (tmp_path / "words").write_text("first\nsecond\n")
    assert terminal.passphrase(str(tmp_path / "words"), "a.key") == "first"


def test_line_ends_and_marks_of_editors_are_no_part_of_a_passphrase(tmp_path):
    """A mark before the text, and either end of the line."""
    (tmp_path / "words").write_bytes(b"\xef\xbb\xbfp\xc3\xa4ss\r\nsecond")
    assert terminal.passphrase(str(tmp_path / "words"), "a.key") == "päss"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"", "first line is empty"),
        (b"\nx", "first line is empty"),
        (b"\xff\n", "not a text in UTF-8"),
        (b"\xef\xbb\xbf\n", "first line is empty"),
        (b"a" * 1025, "longer than 1024 characters"),
    ],
)
def test_a_file_without_a_passphrase_is_reported(tmp_path, content, problem):
    """And is no empty passphrase."""
    file = tmp_path / "words"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        terminal.passphrase(str(file), "a.key")
