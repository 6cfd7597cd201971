"""What a server looks after beside its work, and what comes of it: revocation reaches who is connected already."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import ca_commands
import identities
from bothways import Alert, ClientConfig, Credentials, PeerAlert, TrustStore
from bothways.cli.output import watching
from bothways.net import Channel, connect
from bothways.trust.watched import logger as files_logger
from ca_commands import ca
from cli_scripting import Background, until_printed


def client(folder: Path, server: Background, name: str) -> Channel:
    anchors = TrustStore.from_file(folder / "ca" / "root.pem")
    own = Credentials.from_files(folder / f"{name}.pem", folder / f"{name}.key")
    config = ClientConfig(anchors=anchors, credentials=own)
    channel = connect("127.0.0.1", int(server.port), config, "localhost")
    channel.settimeout(20)
    return channel


def echoes(channel: Channel) -> bool:
    channel.sendall(b"still here")
    return channel.recv(100) == b"still here"


@pytest.mark.network
def test_a_client_that_is_revoked_loses_the_connection_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ca revoke`, `ca crl`, and nothing else: the client is told why, the log says why, the other goes on."""
    monkeypatch.chdir(tmp_path)
    ca_commands.init()
    ca("issue", "ca", "--profile", "server", "--dns", "localhost", "--out", "web")
    for name in ("alice", "bob"):
        ca_commands.client(name)
    ca("crl", "ca", "--out", "crl.pem")
    words = ["--cert", "web.pem", "--key", "web.key", "--client-ca", "ca/root.pem", "--crl", "crl.pem"]
    server = Background(["serve", "127.0.0.1:0", *words, "--crl", "ca/root-crl.pem", "--echo"], tmp_path)
    try:
        with client(tmp_path, server, "alice") as alice, client(tmp_path, server, "bob") as bob:
            assert echoes(alice) and echoes(bob)
            whole = (tmp_path / "crl.pem").read_bytes()
            (tmp_path / "crl.pem").write_bytes(whole[:200])
            until_printed(server, "crl.pem: it is truncated")
            assert echoes(alice) and echoes(bob)
            ca("revoke", "ca", "alice.pem", "--reason", "keyCompromise")
            ca("crl", "ca", "--out", "crl.pem")
            with pytest.raises(PeerAlert) as caught:
                alice.recv(1)
            assert (caught.value.alert, caught.value.step) == (Alert.CERTIFICATE_REVOKED, "3.3c")
            assert echoes(bob)
            until_printed(server, "crl.pem: read again: a CRL of CN=Example Issuing CA")
            until_printed(server, "ended: the client sent a certificate that was revoked on ")
            with client(tmp_path, server, "alice") as again, pytest.raises(PeerAlert):
                again.recv(1)
    finally:
        server.end()


@pytest.mark.network
def test_a_server_takes_its_renewed_certificate_and_lets_go_of_clients_of_an_authority_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of --cert, --key and --client-ca are replaced, and nothing is started again."""
    monkeypatch.chdir(tmp_path)
    ca_commands.init()
    ca("issue", "ca", "--profile", "server", "--dns", "localhost", "--out", "web")
    ca_commands.client("alice")
    (tmp_path / "clients.pem").write_bytes((tmp_path / "ca" / "root.pem").read_bytes())
    words = ["--cert", "web.pem", "--key", "web.key", "--client-ca", "clients.pem", "--echo"]
    server = Background(["serve", "127.0.0.1:0", *words], tmp_path)
    try:
        with client(tmp_path, server, "alice") as alice:
            assert alice.peer is not None
            first = alice.peer.certificate.serial_number
            ca("renew", "ca", "localhost", "--out", "web")
            assert serial_in_time(tmp_path, server, first) != first
            assert echoes(alice)
            (tmp_path / "clients.pem").write_bytes(identities.root().pem)
            with pytest.raises(PeerAlert) as caught:
                alice.recv(1)
            assert caught.value.alert == Alert.UNKNOWN_CA
    finally:
        server.end()


def serial_in_time(folder: Path, server: Background, before: int) -> int:
    """The serial number of the certificate that new connections are shown, once it is another one."""
    deadline = time.monotonic() + 20
    while True:
        with client(folder, server, "alice") as channel:
            assert channel.peer is not None
            found = channel.peer.certificate.serial_number
        if found != before or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_log_lines_about_watched_files_are_printed(capsys) -> None:
    """Escaped, and not twice; afterwards the log is set up as before."""
    before = files_logger.level, files_logger.propagate, list(files_logger.handlers)
    with watching.checking_regularly([]):
        files_logger.info("read again: \x1b[31m%s", "me.pem")
        files_logger.warning("kept")
    files_logger.warning("not said by us")
    assert capsys.readouterr().err == "read again: \\x1b[31mme.pem\nkept\n"
    assert (files_logger.level, files_logger.propagate, list(files_logger.handlers)) == before


def test_warnings_of_libraries_are_told_line_by_line_unless_logging_is_set_up(monkeypatch) -> None:
    """With the end of a traceback, and escaped."""
    told: list[str] = []
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with watching.reporting_warnings(told.append):
        logging.getLogger("bothways").warning("%d handshakes were ended\x1b[31m", 3)
        logging.getLogger("bothways").info("not this")
        try:
            raise RuntimeError("here")
        except RuntimeError:
            logging.getLogger("asyncio").exception("a task failed\nsecond line")
        logging.getLogger("asyncio").error("\n".join(f"line {number}" for number in range(100)))
    assert told[0] == "3 handshakes were ended\\x1b[31m"
    assert told[1:4] == ["a task failed", "second line", "Traceback (most recent call last):"]
    assert "RuntimeError: here" in told
    assert told[-42:-29] == [
        "RuntimeError: here",
        *(f"line {number}" for number in range(10)),
        "...",
        "line 70",
    ]
    assert told[-1] == "line 99"
    del told[:]
    with watching.reporting_warnings(told.append):
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        with watching.reporting_warnings(told.append):
            logging.getLogger("bothways").warning("for whoever has set up logging")
    assert not told


def test_sighup_has_files_looked_at_at_once_and_ends_nothing() -> None:
    """Where nobody else handles it; afterwards it is as before."""
    looks = threading.Semaphore(0)

    def look() -> list[str]:
        looks.release()
        return []

    before = signal.getsignal(signal.SIGHUP)
    with watching.checking_regularly([look], every=600.0):
        assert looks.acquire(timeout=60)
        os.kill(os.getpid(), signal.SIGHUP)
        assert looks.acquire(timeout=60)
    assert signal.getsignal(signal.SIGHUP) == before


def test_sighup_may_come_within_the_handling_of_another() -> None:
    """At each call and return of it: the handler waits for no lock that it holds itself."""
    program = (
        "import signal, sys; from bothways.cli.output.watching import checking_regularly\n"
        "with checking_regularly([]):\n"
        "    sys.setprofile(lambda *_: signal.raise_signal(signal.SIGHUP))\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    sys.setprofile(None)\n"
        "print('went on')"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert ended.stdout == b"went on\n", ended.stderr


def test_sighup_of_a_closed_terminal_ends_the_process() -> None:
    """What was started in a terminal ends with it."""
    program = (
        "import signal, time; from bothways.cli.output.watching import checking_regularly\n"
        "with checking_regularly([]):\n    print('ready', flush=True); time.sleep(60)"
    )
    ours, its = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=its, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        os.close(its)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)  # its terminal is still there
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == -signal.SIGTERM


def test_watched_files_are_reported_and_a_failed_check_is_repeated(capsys) -> None:
    """A defect in one look ends no other, and is told once."""
    defects = [ValueError("out of order")] * 50
    outcomes, over = iter([*defects, ["something new"]]), threading.Event()

    def look() -> list[str]:
        outcome = next(outcomes, None)
        if outcome is None:
            over.set()
            return []
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with watching.checking_regularly([look], every=0.001):
        assert over.wait(60)
    assert capsys.readouterr().err == "bothways: out of order\nsomething new\n"
