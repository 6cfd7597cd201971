"""Addresses and identities on the command line."""

from __future__ import annotations

import click
import pytest

from bothways import ConfigError, Credentials
from bothways.cli.options import side as options
from bothways.cli.options.side import (
    ADDRESS,
    DIALLED,
    SERVER,
    Address,
    Side,
    Sources,
    load_anchors,
    load_identity,
    profile_words,
)
from bothways.cli.output import terminal
from bothways.trust.parsing import PassphraseNeeded, WrongPassphrase


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:443", Address("localhost", 443)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_addresses_are_read_and_written_alike(text, address):
    """HOST:PORT, IPv6 in brackets."""
    assert ADDRESS.convert(text, None, None) == address
    assert ADDRESS.convert(address, None, None) is address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":443", "host:x", "host:65536", "::1:1", "host:-1", "h:٣", "h:" + "9" * 5000],
)
def test_other_texts_are_no_addresses(text):
    """Each says what was expected."""
    with pytest.raises(click.BadParameter, match=r"HOST|brackets|has no host"):
        ADDRESS.convert(text, None, None)


@pytest.mark.parametrize("kind", [DIALLED, SERVER], ids=["address", "server"])
@pytest.mark.parametrize("text", ["localhost:0", "[::1]:00", "https://localhost:0/"])
def test_nothing_is_connected_to_at_port_0(kind, text):
    """It stands for any free port of a listener."""
    with pytest.raises(click.BadParameter, match="a port of 1 to 65535|brackets"):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://localhost", Address("localhost", 443)),
        ("HTTPS://localhost:8443/status?x=1", Address("localhost", 8443)),
        ("https://[::1]", Address("::1", 443)),
        ("https://user:word@localhost:1/", Address("localhost", 1)),
        ("ldaps://directory.example", Address("directory.example", 636)),
        ("localhost:443", Address("localhost", 443)),
    ],
)
def test_a_url_names_a_server_too(text, address):
    """RFC 3986 3.2; what follows the authority says nothing of the connection."""
    assert SERVER.convert(text, None, None) == address


@pytest.mark.parametrize("text", ["http://localhost", "ftp://localhost:21", "https://", "https://host:x/"])
def test_other_urls_name_none(text):
    """Of protocols without TLS there is nothing to connect to."""
    with pytest.raises(click.BadParameter):
        SERVER.convert(text, None, None)


def test_identities_are_read_with_a_passphrase_from_a_file_or_a_person(folder, monkeypatch):
    """Nothing prompts when standard input is not a terminal."""
    cert, locked = str(folder / "ada.pem"), str(folder / "locked.key")
    assert load_identity(None, None, None) is None
    assert load_identity(cert, str(folder / "ada.key"), None).names.common_name == "Ada"
    assert load_identity(cert, locked, str(folder / "password.txt")).names.common_name == "Ada"
    with pytest.raises(ConfigError, match="no password was given"):
        load_identity(cert, locked, None)
    asked: list[str | None] = []
    monkeypatch.setattr(options, "passphrase", lambda file, what: asked.append(what) or "opensesame")
    assert load_identity(cert, locked, None).names.common_name == "Ada"
    assert asked == [locked]
    with pytest.raises(ConfigError, match="server"):
        load_identity(cert, str(folder / "server.key"), None)
    with pytest.raises(SystemExit):
        load_identity(None, locked, None)
    assert load_anchors(str(folder / "ca.pem")) is not None


@pytest.mark.parametrize(
    "name", ["store.pem", "password-store.pem", "passphrase.p12", "no password was given"]
)
@pytest.mark.parametrize(
    "data", [b"garbage", b"", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
)
def test_whether_a_passphrase_is_asked_for_does_not_depend_on_what_a_file_is_called(
    tmp_path, monkeypatch, name, data
):
    """What holds nothing encrypted needs no passphrase, whatever words its name brings into the error."""
    path = tmp_path / name
    path.write_bytes(data)
    monkeypatch.setattr(options, "passphrase", lambda *_: pytest.fail("asked for a passphrase"))
    with pytest.raises(ConfigError) as caught:
        load_identity(str(path), None, None)
    assert not isinstance(caught.value, PassphraseNeeded)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["locked.key", "ada.p12"])
def test_what_is_encrypted_is_reported_by_its_type_and_a_wrong_passphrase_is_too(folder, name):
    """A program asks for a passphrase where one is needed, without reading what the error says."""
    cert = str(folder / ("ada.pem" if name.endswith(".key") else name))
    key = str(folder / name) if name.endswith(".key") else None
    for password, kind in ((None, PassphraseNeeded), ("wrong", WrongPassphrase)):
        with pytest.raises(kind) as caught:
            Credentials.from_files(cert, key, password)
        assert isinstance(caught.value, ConfigError)


def test_options_that_belong_together_arrive_as_one():
    """And those in turn may belong together."""
    inner = options.gathered("pair", lambda a, b: (a, b), click.option("--a"), click.option("--b"))
    outer = options.gathered("three", lambda pair, c: (*pair, c), inner, click.option("--c", default="3"))
    command = click.command()(outer(click.option("--d")(lambda three, d: (three, d))))
    assert command.main(["--a", "1", "--d", "4"], standalone_mode=False) == (("1", None, "3"), "4")
    assert [option.name for option in command.params] == ["a", "b", "c", "d"]


def test_a_preset_without_a_source_is_refused_and_none_asks_nothing():
    """Most of them."""
    assert options.Sources((), None).load() is None
    assert options.Sources((), "staple").load() is not None
    with pytest.raises(
        ConfigError, match="--revocation require requires a source: CRLs .--crl FILE., or --fetch"
    ):
        options.Sources((), "require").load()


def test_fetching_is_asked_for_by_name_and_reported_at_once_where_it_cannot_work(tmp_path, capsys):
    """Naming it asks for revocation, as naming a list does."""
    policy = options.Sources(
        fetch=True, fetch_allow=("10.0.0.0/8",), fetch_cache=str(tmp_path / "kept")
    ).load()
    assert (
        policy.fetch.allow == ("10.0.0.0/8",) and policy.unknown == "refuse" and (tmp_path / "kept").is_dir()
    )
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot keep evidence there"):
        options.Sources(fetch=True, fetch_cache=str(tmp_path / "file" / "kept")).load()
    with pytest.raises(SystemExit):
        options.Sources(fetch_cache=str(tmp_path)).load()
    assert "--fetch-allow and --fetch-cache have an effect only with --fetch" in capsys.readouterr().err


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


@pytest.mark.parametrize("host", ["a..b", "n" * 300, "a\udcff", "a." + "n" * 64])
def test_a_host_that_python_would_ask_nobody_about_is_no_address(host):
    """Python's own encoding of names raises neither of the errors of a network."""
    with pytest.raises(click.BadParameter, match="this host is neither a valid name nor an IP address"):
        ADDRESS.convert(f"{host}:443", None, None)


def test_what_editors_add_is_no_part_of_a_passphrase(tmp_path):
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


def test_the_options_that_the_commands_of_a_remedy_keep_are_those_that_were_given() -> None:
    sources = Sources(crl=("a.crl",), revocation="soft-fail", fetch=True, fetch_allow=("10.0.0.0/8",))
    side = Side("me.pem", None, "word", (), True, sources)
    named = side.files("ca.pem", *profile_words("web"))
    assert (named.cert, named.key, named.ca) == ("me.pem", "me.pem", "ca.pem")
    assert set(named.options) == {
        ("--password-file", "word"), ("--revocation", "soft-fail"), ("--crl", "a.crl"),
        ("--fetch-allow", "10.0.0.0/8"), ("--classic",), ("--fetch",), ("--profile", "web"),
    }  # fmt: skip
    assert Side(None, None, None, (), False, Sources()).files(None).options == profile_words("private") == ()
