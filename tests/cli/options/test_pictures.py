"""`--ladder FILE`: what commands draw, when, and how they say that they cannot."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

import identities
from bothways import TLSError
from bothways.cli.options.pictures import LadderFile
from bothways.ladder.formats import FORMS
from bothways.ladder.json_form import as_json, from_json, from_page
from bothways.ladder.model import Ladder
from bothways.net import connect
from cli_talk import ada
from command_line import bothways, environment, run_command
from explain_talks import ladder_of

pytestmark = pytest.mark.network

CLIENT = ["--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key"]


def run(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways(*words), cwd=folder, env=environment(), input=stdin, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def ladder_in(path: Path) -> Ladder:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().rstrip().endswith("}")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return from_json(path.read_text())


def test_connect_draws_what_it_saw_and_show_reopens_it_in_every_form(start, folder):
    """A client alone: its own checks, both directions, no word of what was said."""
    server = start("--client-ca", "ca.pem", "--echo")
    address = f"127.0.0.1:{server.port}"
    done = run(folder, "connect", address, *CLIENT, "--ladder", "h.json", stdin="a secret word\n")
    assert (done.returncode, done.stdout) == (0, "a secret word\n")
    ladder = ladder_in(folder / "h.json")
    assert (ladder.sides, ladder.outcome) == (("client",), "succeeded")
    assert "secret word" not in (folder / "h.json").read_text()
    assert any(each.kind == "data" for each in ladder.events)
    for suffix in FORMS:
        shown = run(folder, "show", "h.json", "--ladder", f"again{suffix}")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "A mutual handshake" in shown.stdout and "2.3a ok" in shown.stdout
    assert from_json((folder / "again.json").read_text()) == ladder
    assert from_page((folder / "again.html").read_text()) == ladder
    assert run(folder, "show", "again.html").stdout == shown.stdout


def test_connect_draws_a_refusal_too(start, folder):
    """Also one that comes after the handshake, as in TLS 1.3; the exit status stays."""
    server = start("--client-ca", "other-ca.pem", "--echo")
    done = run(folder, "connect", f"127.0.0.1:{server.port}", *CLIENT, "--ladder", "h.json", stdin="x")
    assert done.returncode == 1
    ladder = ladder_in(folder / "h.json")
    assert ladder.outcome == "failed"
    assert [(each.side, each.kind, each.alert) for each in ladder.failures] == [
        ("client", "PeerAlert", "unknown_ca")
    ]


def test_connect_that_meets_nobody_draws_that(folder):
    """Nothing was seen, and why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run(folder, "connect", f"127.0.0.1:{port}", *CLIENT, "--ladder", "h.json")
    assert done.returncode == 1
    ladder = ladder_in(folder / "h.json")
    assert (ladder.sides, ladder.events) == ((), ())
    assert ladder.failures[0].kind == "ConnectionRefusedError"


def test_serve_draws_the_newest_handshake_whatever_became_of_it(start, folder):
    """Each replaces the one before."""
    server = start("--client-ca", "ca.pem", "--echo", "--ladder", "h.json")
    with ada(server) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    ladder = ladder_in(folder / "h.json")
    assert (ladder.sides, ladder.outcome) == (("server",), "succeeded")
    (folder / "h.json").unlink()
    with pytest.raises(TLSError):
        stranger = connect("127.0.0.1", int(server.port), identities.client_config(identities.stranger()))
        stranger.settimeout(20)
        stranger.recv(1)
    ladder = ladder_in(folder / "h.json")
    assert [(each.side, each.step) for each in ladder.failures] == [("server", "3.3a")]


@pytest.mark.parametrize(("words", "version"), [([], "TLS 1.3"), (["--classic"], "TLS 1.2")])
def test_demo_draws_both_sides(folder, words, version):
    """The mutual handshake, or the classic one."""
    done = run(folder, "demo", *words, "--ladder", "h.json")
    assert (done.returncode, done.stderr) == (0, "")
    ladder = from_json((folder / "h.json").read_text())
    assert (ladder.sides, ladder.outcome, ladder.tls) == (("client", "server"), "succeeded", version)


@pytest.mark.parametrize(
    "words",
    [
        ["demo"],
        ["connect", "127.0.0.1:1", *CLIENT],
        ["serve", "127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", "--echo"],
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_written_ends_the_command_before_it_connects(folder, words):
    """Status 2, the file by its name; and so does a suffix that says no form."""
    done = run(folder, *words, "--ladder", "nowhere/h.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bothways: --ladder nowhere/h.html: No such file or directory\nHint: ")
    (folder / "directory.html").mkdir()
    assert run(folder, *words, "--ladder", "directory.html").returncode == 2
    done = run(folder, *words, "--ladder", "h.pdf")
    assert done.returncode == 2
    assert "'h.pdf' has no known suffix; expected a name that ends in .html, .svg, .json, .txt" in done.stderr
    assert not (folder / "h.pdf").exists()


def test_show_says_what_is_wrong_with_a_file_and_where(folder):
    """Status 2, a place, nothing that moves a cursor."""
    whole = json.loads(as_json(ladder_of()))
    whole["events"][2]["by"] = "\x1b[31mdevice"
    (folder / "wrong.json").write_text(json.dumps(whole))
    done = run(folder, "show", "wrong.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'wrong.json: recorded handshake, events[2].by: expected "client" or "server"' in done.stderr
    assert "\x1b" not in done.stderr
    (folder / "other.json").write_text("{}")
    assert "not a recorded handshake" in run(folder, "show", "other.json").stderr
    done = run(folder, "show", "ca.pem", "--ladder", "h.html")
    assert done.returncode == 2 and "no recorded handshake is among the files" in done.stderr
    assert not (folder / "h.html").exists()


def test_a_disk_that_is_full_later_is_reported_and_ends_nothing(tmp_path, capsys):
    """The file could be written when the command began."""
    file = LadderFile(str(tmp_path / "gone" / "h.txt"), FORMS[".txt"])
    file.keep(ladder_of())
    assert "h.txt: No such file or directory" in capsys.readouterr().err
