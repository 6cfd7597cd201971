"""The rules for output of the commands, and the functions that implement them.

Standard output has the requested result and nothing else; everything about it goes to standard error. An error is
"bothways: " and a sentence, then "Hint: " and what to do, never a traceback. Text of peers is escaped. Prompts appear
only if standard input is a terminal. Exit status: 0 done; 1 a peer or certificate was refused, or the connection
failed, timed out or was truncated; 2 wrong use or an unreadable file.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn, TextIO

import click

from bothways.ca.errors import AuditFailed, AuthorityError
from bothways.cli.output.standard_streams import OutputFailed
from bothways.errors import ConfigError, TimedOut, TLSError, UnusableFile, UsageError
from bothways.trust import files
from bothways.trust.own_identity.chain import KeyMismatch
from bothways.trust.own_identity.passphrase import passphrase_in

DONE, FAILED, MISUSED = 0, 1, 2
LINES_LIMIT, LINE_LIMIT = 40, 600  # limits for text about a peer: lines, and characters in each

# The first class that matches an error determines the exit status; any other error is a failure.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (AuditFailed, FAILED),
    (AuthorityError, MISUSED),
    (ConfigError, MISUSED),
    (UsageError, MISUSED),
    (OutputFailed, MISUSED),  # nobody is to take that for a refusal
)

_one_at_a_time = threading.Lock()


def _after_fork() -> None:
    """Have no lock that a thread of the parent had."""
    global _one_at_a_time
    _one_at_a_time = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run(command: click.Command) -> int:
    """Run a command and return its exit status; errors are reported by the rules of this module.

    With --json, wrong use and unreadable files are reported as one JSON object too.
    """
    status = _ended(command)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
        status = status or FAILED
    except OutputFailed as error:
        status = reported(error)
    try:
        sys.stderr.flush()
    except OSError:  # which would make the interpreter exit with another status
        _drop(sys.stderr)
    return status


def _ended(command: click.Command) -> int:
    try:
        outcome = command.main(prog_name="bothways", standalone_mode=False)
        sys.stdout.flush()
    except (SystemExit, click.exceptions.Exit) as end:
        status = end.code if isinstance(end, SystemExit) else end.exit_code
        return status if isinstance(status, int) else DONE
    except (KeyboardInterrupt, click.Abort):
        say("stopped")
        return FAILED
    except click.ClickException as error:
        _report_misuse(error)
        return MISUSED
    except BrokenPipeError:
        output_is_gone()
    except (TLSError, OSError) as error:
        return reported(error)
    return outcome if isinstance(outcome, int) else DONE


def reported(error: TLSError | OSError) -> int:
    """Report an error that ends a process, and return its exit status."""
    if isinstance(error, OutputFailed):
        _drop(sys.stdout)
    status = status_of(error)
    kind = "Misuse" if status == MISUSED else type(error).__name__
    code = error.code if isinstance(error, ConfigError) else ConfigError.code
    misused(in_options(described(error) + _expired_too(error)), kind=kind, code=code)
    return status


def _expired_too(error: Exception) -> str:
    """Return what else is wrong with a certificate whose key another file has: the right key would not help alone."""
    if not isinstance(error, KeyMismatch) or error.not_after >= datetime.now(UTC):
        return ""
    return f"; that certificate has expired too, on {error.not_after:%Y-%m-%d %H:%M} UTC"


def status_of(error: Exception) -> int:
    """Return the exit status for an error, by its type; an error of a file that was named is no failure of a peer."""
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, TLSError):
        return MISUSED
    return next((status for kind, status in STATUSES if isinstance(error, kind)), FAILED)


# The fields of configurations, and the options for them.
OPTIONS = {
    "client_anchors": "--client-ca",
    "client_auth": "--client-auth",
    "credentials": "--cert",
    "anchors": "--ca",
    "suites": "--suites",
    "groups": "--groups",
    "alpn": "--alpn",
    "versions": "--tls",
    "server_name": "--name",
}
_FIELD = re.compile(rf"(?<![.\w])({'|'.join(OPTIONS)})(?=:|=)")  # not a key of a file: `route[1].alpn`


def in_options(text: str) -> str:
    """Replace the names of configuration fields in a message by those of options."""
    return _FIELD.sub(lambda match: OPTIONS[match[1]], text)


@contextmanager
def waiting(what: str, seconds: float = 3.0) -> Iterator[Callable[[], None]]:
    """Report what is waited for, if the block takes longer than `seconds`.

    The block gets a function that ends the wait.
    """
    timer = threading.Timer(seconds, say, (f"waiting for {what} ...",))
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()


def say(text: str) -> None:
    """Print text to standard error, in one piece; nothing ends because that is full, closed, or not there."""
    with suppress(OSError, ValueError):
        say_or_fail(text)


def say_or_fail(text: str, end: str = "\n") -> None:
    """Print text as `say` does, and what ends it. Raises OSError, and ValueError where standard error is closed."""
    with _one_at_a_time:
        if sys.stderr is None:  # closed before we began
            raise ValueError("no standard error")
        with suppress(OSError, ValueError, AttributeError):  # what is not written now is told at the end
            sys.stdout.flush()  # both may go to one file or terminal, where what was printed before comes before
        sys.stderr.write(text + end)
        sys.stderr.flush()


def report_error(text: str, hint: str = "") -> None:
    """Report an error and a hint on standard error."""
    say(f"bothways: {text}" + (f"\nHint: {hint}" if hint else ""))


def refuse(text: str, hint: str = "") -> NoReturn:
    """Exit because of wrong use or an unreadable file (status 2)."""
    misused(text, hint)
    sys.exit(MISUSED)


# Commands with their JSON on standard error; all others write it to standard output.
REPORT_ON_ERROR = ("connect", "get", "serve", "run", "tunnel")


def misused(text: str, hint: str = "", *, kind: str = "Misuse", code: str = ConfigError.code) -> None:
    """Report wrong use or an unreadable file; with --json as one JSON object, where the command writes its JSON.

    kind: the name of the error, if it is not wrong use.  code: of `ConfigError`, where it is.
    """
    words = sys.argv[1:]
    if "--json" not in words:
        report_error(text, hint)
        return
    facts = {"kind": kind, "text": text} | ({"code": code, "hint": hint} if kind == "Misuse" else {})
    report = json.dumps({"error": facts})
    if words[0] in REPORT_ON_ERROR:
        say(report)
    else:
        report_error(text, hint)
        try:
            sys.stdout.write(report + "\n")
            sys.stdout.flush()
        except (BrokenPipeError, OutputFailed):  # the latter may be what is reported
            _drop(sys.stdout)


def bounded(lines: Iterable[str]) -> list[str]:
    """Limit the number and the length of lines about a peer."""
    kept = list(islice(lines, LINES_LIMIT + 1))
    shown = [
        each if len(each) <= LINE_LIMIT else each[: LINE_LIMIT - 3] + "..." for each in kept[:LINES_LIMIT]
    ]
    return [*shown, "    ..."] if len(kept) > LINES_LIMIT else shown


def say_json(report: Mapping[str, object]) -> None:
    """Print one JSON object on one line of standard error."""
    say(json.dumps(report))


def described(error: Exception) -> str:
    """Return an error as a sentence, whatever its type."""
    if isinstance(error, OSError) and not isinstance(error, TLSError):
        return _network_words(error)
    return str(error) or type(error).__name__


def headline(error: Exception) -> str:
    """Return what happened as one sentence, without the explanation."""
    return described(error).partition("\n")[0]


def passphrase(file: str | None, what: str) -> str | None:
    """Return the passphrase in the first line of `file`, or prompt for it at a terminal; else None.

    what: its name in the prompt. Raises ConfigError for a file that cannot be read or starts with an empty line.
    """
    if file is not None:
        return passphrase_in(files.content(file), file)
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass(f"passphrase for {what}: ", stream=sys.stderr) or None
    return None


def print_bytes(data: bytes) -> None:
    """Write bytes to standard output at once. Raises ConfigError where it takes none, such as on a full disk.

    That it fails is told from a failure of the connection that the bytes come from.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        output_is_gone()
    except OSError as error:
        raise ConfigError(f"standard output: {error.strerror or error}") from None


def output_is_gone() -> NoReturn:
    """Exit without an error message because the reader of our output has closed it."""
    _drop(sys.stdout)
    sys.exit(FAILED)


def _drop(stream: TextIO) -> None:
    """Have the end of the process find nothing to write that fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _report_misuse(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"try `{error.ctx.command_path} --help`"
    message = error.format_message().rstrip(".")
    option = error.param if isinstance(error, click.BadParameter) else None
    is_of_file = option is not None and isinstance(option.type, click.Path)
    code = UnusableFile.code if is_of_file else ConfigError.code
    misused(message[:1].lower() + message[1:] if message[1:2].islower() else message, hint, code=code)


def _network_words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused by the host or by a firewall"
    if isinstance(error, TimedOut):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the connection timed out"
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words
