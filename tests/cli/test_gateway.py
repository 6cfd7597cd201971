"""`bothways gateway` at the command line: checking a file, and what is said of wrong use."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import report_schema
from bothways.cli.commands import bothways as group
from bothways.cli.output.terminal import run
from bothways.testing import MutualTLS
from gateway_talk import ANYBODY, Setting, behind


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as mutual:
        yield Setting(mutual, tmp_path)


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["bothways", "gateway", *words])
    status = run(group)
    out, err = capsys.readouterr()
    return status, out, err


GOOD = """\
gateway.toml: can be used: 1 listener, 2 routes
  web: localhost, other.example (h2) -> 127.0.0.1:80
  route 2: every name -> unix:/run/x.sock
"""


def test_an_audit_file_that_cannot_be_used_is_named_with_its_key(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting.write(f'backend = "127.0.0.1:80"\n{ANYBODY}', audit={"file": "pki"})
    status, _, err = printed(monkeypatch, capsys, "check", "-c", "gateway.toml")
    assert (status, err) == (2, "bothways: gateway.toml: audit.file: pki: it is no regular file\n")


def test_a_file_in_the_place_of_a_command_is_told_how_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = printed(monkeypatch, capsys, "gateway.toml")
    assert status == 2
    assert err == "bothways: gateway.toml is no command, but a file\nHint: bothways gateway -c gateway.toml\n"


def test_a_good_file_is_reported_route_by_route(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting.write(
        'name = "web"\nserver_names = ["localhost", "other.example"]\nalpn = ["h2"]\n'
        f'backend = "127.0.0.1:80"\n{ANYBODY}',
        f'backend = "unix:/run/x.sock"\n{ANYBODY}',
    )
    for words in (("check", "-c", "gateway.toml"), ("-c", "gateway.toml", "check")):
        status, out, err = printed(monkeypatch, capsys, *words)
        assert (status, out) == (
            0,
            GOOD,
        )
        assert err == "warning: route web: our certificate does not stand for other.example\n"


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        ("backend = 'a:1'", "gateway.toml, line 11: route[1]: `allow` is missing: nobody could pass"),
        (
            f"backend = 'a:1'\n{ANYBODY}\nclient_ca = 'x.pem'",
            "gateway.toml: route 1: x.pem: cannot be read",
        ),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_status_2(
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    route: str,
    problem: str,
) -> None:
    """By `check` and where it would be served alike; nothing is started."""
    setting.write(route)
    for words in (("check", "-c", "gateway.toml"), ("-c", "gateway.toml")):
        status, out, err = printed(monkeypatch, capsys, *words)
        assert (status, out) == (2, "")
        assert err.startswith(f"bothways: {problem}")


def test_a_socket_of_systemd_that_no_listener_names_is_a_warning(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its clients would wait without a word. The other listener is not there, so that nothing is served."""
    for name, value in (("PID", str(os.getpid())), ("FDS", "2"), ("FDNAMES", "https:other")):
        monkeypatch.setenv(f"LISTEN_{name}", value)
    setting.write(f"backend = 'a:1'\n{ANYBODY}")
    text = setting.path.read_text(encoding="utf-8")
    names = 'systemd = "https"\n[[listener]]\nsystemd = "mine"'
    setting.path.write_text(re.sub(r"^port = .*$", names, text, flags=re.MULTILINE), encoding="utf-8")
    status, _, err = printed(monkeypatch, capsys, "-c", "gateway.toml")
    assert (status, err.count("warning: systemd has passed the socket")) == (1, 1)
    assert "the socket other, which no [[listener]] or [[tunnel]] names" in err


def test_a_secret_that_is_not_there_is_named_by_its_key(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting.write(f"backend = 'a:1'\n{ANYBODY}", limits={"shared": "redis://a", "shared_secret": "nothing"})
    status, _, err = printed(monkeypatch, capsys, "check", "-c", "gateway.toml")
    assert (status, err.partition("nothing: ")[0]) == (2, "bothways: gateway.toml: limits.shared_secret: ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "Hint: bothways gateway -c gateway.toml"),
        (("check",), "Hint: bothways gateway check -c gateway.toml"),
    ],
)
def test_without_a_file_it_says_what_to_write(
    words: tuple[str, ...], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = printed(monkeypatch, capsys, *words)
    assert (status, err) == (2, f"bothways: no configuration file was given\n{hint}\n")


def test_an_address_that_is_taken_ends_it_with_a_sentence(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        setting.write(f"backend = 'a:1'\n{ANYBODY}")
        text = setting.path.read_text()
        setting.path.write_text(text.replace("port = 0", f"port = {taken.getsockname()[1]}"))
        status, _, err = printed(monkeypatch, capsys, "-c", "gateway.toml")
    assert status == 1
    assert "address already in use" in err
    assert "Traceback" not in err


RULES = """
name = "web"
backend = "127.0.0.1:80"
[[route.deny]]
name = "the retired one"
dns = "old.example"
[[route.allow]]
dns = "client.example"
"""
MAY = """\
web: CN=good client may pass
  deny the retired one: does not hold: the certificate has the dns client.example
  allow dns client.example: holds
  decided: the allow rule dns client.example holds
"""
MAY_NOT = """\
web: CN=good client may not pass
  deny the retired one: holds
  allow dns client.example: holds
  decided: the deny rule the retired one holds
"""


@pytest.mark.parametrize(
    ("names", "rule", "why"),
    [
        ([], 'uri = "spiffe://a/b"', "the certificate has the uri spiffe://testing.example/client"),
        ([], 'email = "a@b.example"', "the certificate has no email"),
        (["x.example"], 'dns = "a.example"', "the certificate has the dns x.example"),
        ([f"{each}.example" for each in "abcdef"], 'dns = "x"', "dns a.example, b.example, c.example, d.exa"),
        (["x.example"], 'ou = "ops"', "another ou, or none"),
    ],
)
def test_explain_shows_what_a_certificate_has_in_place_of_what_a_rule_wants(
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    names: list[str],
    rule: str,
    why: str,
) -> None:
    who = setting.mutual.identity("client", dns=names)
    setting.write(f'backend = "127.0.0.1:80"\n[[route.allow]]\n{rule}')
    status, out, _ = printed(monkeypatch, capsys, "explain", "-c", "gateway.toml", str(who.cert))
    assert status == 1
    assert why in out.splitlines()[1]
    assert ("..." in out.splitlines()[1]) == (len(names) > 5)


def test_explain_names_the_rule_that_decides_about_a_certificate(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit status 0 for who may pass, and 1 for who may not or is not even trusted."""
    setting.write(RULES)
    mutual = setting.mutual
    mine, retired = (
        mutual.identity("client"),
        mutual.identity("client", dns=["client.example", "old.example"]),
    )
    for who, expected in ((mine, (0, MAY, "")), (retired, (1, MAY_NOT, ""))):
        assert printed(monkeypatch, capsys, "explain", "-c", "gateway.toml", str(who.cert)) == expected
    status, out, _ = printed(
        monkeypatch, capsys, "explain", "-c", "gateway.toml", str(mutual.identity("client", "revoked").cert)
    )
    assert (status, "  not trusted: " in out) == (1, True)
    status, out, _ = printed(monkeypatch, capsys, "explain", "-c", "gateway.toml", "--json", str(mine.cert))
    [answer] = report_schema.report("gateway_explain", out)["routes"]
    assert (answer["may_pass"], answer["decided_by"], status) == (True, "dns client.example", 0)
    assert [each["holds"] for each in answer["rules"]] == [False, True]


def test_a_route_that_is_not_there_cannot_be_asked(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting.write(RULES)
    mine = str(setting.mutual.identity("client").cert)
    words = ("explain", "-c", "gateway.toml", "--route", "wbe", mine)
    assert printed(monkeypatch, capsys, *words) == (
        2, "", "bothways: gateway.toml: no route is called wbe; there is web\n",
    )  # fmt: skip
    (setting.folder / "empty.pem").write_text("")
    status, _, err = printed(monkeypatch, capsys, "explain", "-c", "gateway.toml", "empty.pem")
    assert (status, "empty.pem" in err) == (2, True)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="the size of a pipe is Linux's to set")
def test_a_log_whose_reader_hangs_holds_no_client_up(setting: Setting) -> None:
    """Neither their data nor, in the process that reads files, a revocation."""
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        command = [sys.executable, "-m", "bothways", "gateway", "-c", "gateway.toml"]
        with subprocess.Popen(command, cwd=setting.folder, bufsize=0, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            try:
                fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
                number = int(re.findall(rb"127\.0\.0\.1:([0-9]+)", process.stderr.readline())[0])
                for _ in range(30):  # a pipe of one page has room for few lines
                    with setting.mutual.client().connect("127.0.0.1", number) as channel:
                        channel.send(b"hello\n")
                        assert channel.recv(100)
            finally:
                process.terminate()
            assert len(process.stderr.read()) <= 4096
            assert process.wait(30) == 0
