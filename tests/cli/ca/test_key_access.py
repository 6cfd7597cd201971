"""Where the passphrase comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.ca.issuer import local_actor
from bothways.cli.ca import key_access
from ca_commands import ca, client, init, rows
from tokens.soft_tokens import PIN, new_token


def test_the_former_name_of_the_option_for_the_passphrase_is_accepted_and_not_shown(folder: Path) -> None:
    """One name everywhere: `--password-file`, as for the keys of TLS."""
    (folder / "passphrase").write_text("open sesame\n")
    for number, name in enumerate(("--password-file", "--passphrase-file")):
        ca("init", f"ca{number}", "--name", "Example", name, "passphrase")
    shown = ca("init", "--help").stdout
    assert "--password-file FILE" in shown and "--passphrase-file" not in shown


def test_the_passphrase_comes_from_the_environment_or_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTHWAYS_CA_PASSPHRASE", "open sesame")
    (folder / "passphrase").write_text("open sesame\n")
    (folder / "wrong").write_text("abracadabra\n")
    ca("init", "ca", "--name", "Example")
    issue = ("issue", "ca", "--profile", "client", "--name", "alice", "--out")
    ca(*issue, "alice")
    ca(*issue, "again", "--password-file", "passphrase")
    ca(*issue, "never", "--passphrase-file", "wrong", error="cannot be decrypted with this passphrase")
    ca(*issue, "never", "--insecure-no-passphrase", error="its passphrase is needed")
    monkeypatch.delenv("BOTHWAYS_CA_PASSPHRASE")
    ca(*issue, "never", error="its passphrase is needed")
    assert not (folder / "never.pem").exists()
    assert len(rows("list", "ca")) == 2


def test_a_person_is_asked_twice_for_a_new_one_and_once_for_an_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["one", "another", "sesame", "sesame", "sesame"])
    monkeypatch.setattr(key_access, "passphrase", lambda file, what: next(typed))
    ca("init", "ca", "--name", "Example", error="the two passphrases differ; nothing was created")
    assert list(folder.iterdir()) == []
    ca("init", "ca", "--name", "Example")
    client("alice")
    assert list(typed) == []


def test_the_log_says_who_and_where(folder: Path) -> None:
    init("--no-intermediate")
    assert {entry["actor"] for entry in rows("audit", "ca")} == {local_actor()}
    assert "@" in local_actor()


@pytest.mark.interop
def test_the_pin_of_a_token_comes_from_the_environment_or_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token(monkeypatch)
    words = ("init", "ca", "--name", "Example", "--no-intermediate", "--key-uri", token.uri())
    ca(*words, error="needs its PIN")
    (folder / "pin").write_text(f"{PIN}\n")
    reported = ca(*words, "--pin-file", "pin").stderr
    assert "created CN=Example" in reported
    assert "not sealed" not in reported
    assert sorted(path.name for path in (folder / "ca").iterdir() if path.suffix == ".key") == []
    monkeypatch.setenv("BOTHWAYS_CA_PIN", PIN)
    ca("issue", "ca", "--profile", "client", "--name", "alice", "--out", "alice")
    ca("issue", "ca", "--profile", "client", "--name", "bob", "--out", "bob", "--pin-file", "pin")
    monkeypatch.setenv("BOTHWAYS_CA_PIN", "another")
    ca("crl", "ca", "--out", "crl.pem", error="the PIN is wrong")
    assert [row["name"] for row in rows("list", "ca")] == ["alice", "bob"]


@pytest.mark.interop
def test_a_root_in_a_file_stands_above_a_key_on_a_token(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token(monkeypatch)
    monkeypatch.setenv("BOTHWAYS_CA_PIN", PIN)
    ca(
        "init",
        "ca",
        "--name",
        "Example",
        "--key-uri",
        token.uri(),
        error="the keys of the CA need a passphrase",
    )
    reported = ca(
        "init", "ca", "--name", "Example", "--key-uri", token.uri(), "--insecure-no-passphrase"
    ).stderr
    assert "whoever can read the files can issue" in reported
    assert [path.name for path in (folder / "ca").iterdir() if path.suffix == ".key"] == ["root.key"]
    (folder / "ca" / "root.key").unlink()
    client("alice")


def test_a_passphrase_is_asked_for_once_for_all_workers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that starts them; each opens the CA by what was typed there."""
    monkeypatch.setenv("BOTHWAYS_CA_PASSPHRASE", "sesame")
    ca("init", "ca", "--name", "Example")
    monkeypatch.delenv("BOTHWAYS_CA_PASSPHRASE")
    typed = iter(["sesame"])
    monkeypatch.setattr(key_access, "passphrase", lambda file, what: next(typed))
    opened = key_access.KeyAccess(None, insecure_no_passphrase=False).for_workers(Path("ca"))
    assert list(typed) == []
    for _ in range(2):
        with opened() as issuer:
            assert issuer.authority.key is not None
