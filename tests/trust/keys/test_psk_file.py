"""The file of external PSKs: what it may say, and errors that say where, without a secret."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from bothways import ConfigError, ExternalPSKs

SECRET = sha256(b"").hexdigest()
KEY = f'[[key]]\nidentity = "k-1"\nsecret = "{SECRET}"\npeer = "device 7"\n'
OWN = 'own = "service.example"\n'


def read(tmp_path: Path, content: str | bytes) -> ExternalPSKs:
    file = tmp_path / "keys.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ExternalPSKs.from_file(file)


def test_a_file_has_our_name_and_a_table_for_each_key(tmp_path: Path) -> None:
    other = (
        f'[[key]]\nidentity = "k-2"\nsecret = "{SECRET[::-1]}"\npeer = "device 8"\nown = "other.example"\n'
        'hash = "SHA-384"\ncontext = "00ff"\n'
    )
    plain = f'[[key]]\nidentity = "k-3"\nsecret = "{SECRET[:32]}"\npeer = "device 9"\n'
    keys = read(tmp_path, OWN + KEY + other + plain + "insecure_without_importer = true\n")
    first, second = (keys.named(each, imported=True) for each in (b"k-1", b"k-2"))
    third = keys.named(b"k-3", imported=False)
    assert first is not None and second is not None and third is not None
    assert (first.own, first.peer, first.hash, first.context) == (
        "service.example",
        "device 7",
        "SHA-256",
        None,
    )
    assert first.secret == bytes.fromhex(SECRET)
    assert (second.own, second.hash, second.context) == ("other.example", "SHA-384", b"\x00\xff")
    assert third.insecure_without_importer


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "not UTF-8 at byte 0"),
        (f"{OWN}[[key]]\nsecret = {SECRET}\n", r"not TOML: .*\(at line 3, column \d+\)"),
        (f'{OWN}[[key]]\nsecret = "{SECRET}', "not TOML: .*end of document"),
        ("keys = 1\n", "keys: expected only `own` and tables"),
        ("own = 1\n" + KEY, "own: expected a text"),
        (OWN + KEY.replace("[[key]]", "[key]"), r"key: expected a table \[\[key\]\] for each key"),
        ("key = [1]\n", "key: expected a table"),
        (KEY, "key 1: own is missing"),
        (OWN + KEY + "peers = 1\n", "key 1: peers is not known; expected identity, secret, peer, own"),
        (OWN + KEY + KEY.replace('peer = "device 7"', "peer = 7"), "key 2: peer: expected a text"),
        (OWN + KEY + "insecure_without_importer = 1\n", "expected true or false"),
        (OWN + KEY.replace('identity = "k-1"\n', ""), "key 1: identity is missing"),
        (OWN + KEY.replace('secret = "', 'secret = "x'), "key 1: secret: expected hexadecimal digits"),
        (OWN + KEY + 'context = "0"\n', "key 1: context: expected hexadecimal digits"),
        (OWN + KEY.replace(SECRET, SECRET[:30]), "key 1: secret: expected 16 to 512 random bytes"),
        (OWN + KEY.replace("device 7", "service.example"), "key 1: peer: service.example is our own name"),
        (OWN + KEY + KEY, "the identity k-1 occurs twice"),
        (OWN, "it contains no key"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_a_file_that_is_wrong_says_where(content: str | bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read(tmp_path, content)
    assert SECRET[:16] not in str(caught.value) and "\n" not in str(caught.value)
