"""Pinned raw public keys: what a set accepts, what a file may contain, and the verdict."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import pki
import raw_keys
from bothways import ConfigError, Fault, PeerRule, PinnedKeys
from bothways.trust import files, watched
from bothways.trust.certificate.raw_public_key import NO_END, RawPublicKey, read_raw_key
from bothways.trust.keys.pins import NO_PINS, PinRequest
from bothways.trust.verdict import Outcome, Refused, Trusted

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def raw(kind: str = "P-256", number: int = 0) -> RawPublicKey:
    return read_raw_key(raw_keys.public_key(pki.key(kind, number)))


def pem_of(kind: str = "P-256", number: int = 0) -> bytes:
    public = pki.key(kind, number).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def colons(text: str) -> str:
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2)).upper()


def test_a_pin_is_the_digest_of_the_key_in_either_spelling() -> None:
    """RFC 7250 3: the SubjectPublicKeyInfo as a whole."""
    one, other = raw(), raw("Ed25519")
    for text in (one.fingerprint, colons(one.fingerprint)):
        pins = PinnedKeys.from_digests({text: "device 7"})
        assert pins.name_of(one) == "device 7"
        assert pins.name_of(other) is None
    assert PinnedKeys.from_digests([one.fingerprint]).name_of(one) == ""
    assert PinnedKeys.from_keys([one.spki, pem_of("Ed25519")]).name_of(other) == ""
    assert PinnedKeys.from_keys({one.spki: "a"}).name_of(one) == "a"


def test_a_set_is_told_from_others_by_its_keys_alone() -> None:
    one, other = raw().fingerprint, raw("Ed25519").fingerprint
    assert (
        PinnedKeys.from_digests({one: "a", other: "b"}).digest == PinnedKeys.from_digests([other, one]).digest
    )
    assert PinnedKeys.from_digests([one]).digest != PinnedKeys.from_digests([other]).digest
    assert repr(PinnedKeys.from_digests([one])) == "<PinnedKeys of 1>"


def test_a_verdict_on_a_pinned_key_has_nothing_of_a_certificate() -> None:
    """RFC 7250 6: no issuer, no names, no end, no revocation."""
    key = raw()
    verdict = PinRequest(key=key, pins=PinnedKeys.from_digests({key.fingerprint: "device 7"})).verify(NOON)
    assert isinstance(verdict, Trusted) and verdict.by_key is not None
    assert verdict.path == () and verdict.names.subject == "" and verdict.names.count == 0
    assert verdict.valid_until == NO_END
    assert str(verdict.by_key) == f"raw public key {key.fingerprint} (device 7)"
    assert [each.outcome for each in verdict.findings] == [
        Outcome.PASSED,
        Outcome.NOT_CHECKED,
        Outcome.NOT_CHECKED,
    ]
    assert "its pin is removed" in verdict.findings[2].text


@pytest.mark.parametrize("pins", [NO_PINS, PinnedKeys.from_digests([raw("Ed25519").fingerprint])], ids=len)
def test_a_key_without_a_pin_is_refused(pins: PinnedKeys) -> None:
    verdict = PinRequest(key=raw(), pins=pins).verify(NOON)
    assert isinstance(verdict, Refused)
    assert [each.fault for each in verdict.reasons] == [Fault.RAW_KEY_NOT_PINNED]
    assert raw().fingerprint in str(verdict.reasons[0])


def test_rules_about_keys_hold_for_a_raw_public_key_and_all_others_refuse() -> None:
    key = raw()
    verdict = PinRequest(key=key, pins=PinnedKeys.from_digests({key.fingerprint: "device 7"})).verify(NOON)
    assert isinstance(verdict, Trusted)
    assert PeerRule(spki=colons(key.fingerprint)).allows(verdict)
    assert PeerRule(spki=key.fingerprint, key="P-256").allows(verdict)
    assert not PeerRule(spki=raw("Ed25519").fingerprint).allows(verdict)
    assert not PeerRule(key="Ed25519").allows(verdict)
    others = {
        "dns": "device 7", "uri": "spiffe://a/**", "cn": "device 7", "ou": "x", "issuer": "CN=x",
        "fingerprint": key.fingerprint, "email": "*@example.com", "ip": "0.0.0.0/0", "subject": "CN=x", "dn": "CN=x",
        "anchor": key.fingerprint, "policy": "1.2.3", "lifetime": "9999",
    }  # fmt: skip
    others["dns"] = "*.example.com"
    for kind, value in others.items():
        rule = PeerRule(**{kind: value})
        assert rule.failing(verdict) == kind
        assert rule.may_mean(verdict), "a name might be that of its holder, so a rule that denies it holds"
        assert PeerRule(**{kind: value, "spki": key.fingerprint}).failing(verdict) == kind
    assert not PeerRule(spki=raw("Ed25519").fingerprint).may_mean(verdict)


def test_a_file_has_lines_or_keys(tmp_path: Path) -> None:
    file = tmp_path / "pins"
    file.write_text(
        f"# devices\n\n{raw().fingerprint} device 7, in the hall\n{colons(raw('Ed25519').fingerprint)}\n"
    )
    pins = PinnedKeys.from_file(file)
    assert pins.name_of(raw()) == "device 7, in the hall" and pins.name_of(raw("Ed25519")) == ""
    file.write_bytes(b"text\n" + pem_of() + pem_of("Ed25519"))
    assert len(PinnedKeys.from_file(file)) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no pin"),
        (b"# nothing\n", "no pin"),
        (b"\xff\xfe", "neither public keys in PEM nor lines"),
        (b"0123 name\n", "line 1: expected a SHA-256"),
        (
            b"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
            "expected a public key .*found PRIVATE KEY",
        ),
        (b"# one\n" + b"g" * 64 + b"\n", "line 2: expected a SHA-256"),
        (b"%b\n%b again\n" % ((b"a" * 64,) * 2), "line 2: this key is pinned twice"),
        (b"a" * 64 + b" \x1b[31m\n", "printable"),
        (b"a" * 64 + b" " + b"n" * 256 + b"\n", "at most 255"),
        (pem_of().replace(b"M", b"!", 1), "cannot be read"),
        (pem_of() + b"-----BEGIN PUBLIC KEY-----\nAAAA\n", "truncated"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be decoded"),
    ],
)
def test_a_file_that_is_wrong_says_where(content: bytes, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "pins"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        PinnedKeys.from_file(file)
    assert str(file) in str(caught.value)


def test_an_invalid_set_of_pins_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a single text"):
        PinnedKeys.from_digests(raw().fingerprint)
    with pytest.raises(ConfigError, match="no pin"):
        PinnedKeys.from_digests([])
    with pytest.raises(ConfigError, match="expected PEM or DER as bytes"):
        PinnedKeys.from_keys(["text"])
    with pytest.raises(ConfigError, match="expected a public key"):
        PinnedKeys.from_keys([b"text"])
    for name in (7, None, b"name", ["name"]):
        with pytest.raises(ConfigError, match="the name of a pin is printable text"):
            PinnedKeys.from_digests({raw().fingerprint: name})
    weak = rsa.generate_private_key(65537, 1024).public_key()
    with pytest.raises(ConfigError, match="too weak: RSA of 1024 bits"):
        PinnedKeys.from_keys([weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)])


def test_a_watched_file_is_read_again_and_may_become_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal of a pin is the revocation of its key, that of the last one too."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    file = tmp_path / "pins"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="no pin"):
        PinnedKeys.watched(file)

    def write(text: str, after: int) -> None:
        file.write_text(text)
        os.utime(file, (after, after))

    write(f"{raw().fingerprint} a\n", 10)
    pins = PinnedKeys.watched(file)
    request = PinRequest(key=raw(), pins=pins)
    assert isinstance(request.verify(NOON), Trusted) and pins.generation == request.generation == 0
    for generation, text in enumerate((f"{raw('Ed25519').fingerprint}\n", "# none left\n"), 1):
        write(text, 20 * generation)
        assert pins.generation == generation
        assert isinstance(request.verify(NOON), Refused)
    assert len(pins) == 0 and pins.digest != PinnedKeys.from_digests([raw().fingerprint]).digest
    write("garbage\n", 90)
    assert len(pins) == 0 and pins.generation == 2
