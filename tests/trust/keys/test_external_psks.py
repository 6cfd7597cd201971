"""External PSKs: what a set accepts, what a rule can say of them, and the verdict."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bothways import ConfigError, ExternalPSK, ExternalPSKs, Fault, PeerRule
from bothways.roles import Role
from bothways.trust import files, watched
from bothways.trust.certificate.raw_public_key import NO_END
from bothways.trust.keys.external_psks import MOST_KEYS, NO_KEYS, request_for_key
from bothways.trust.path.name_matching import server_name
from bothways.trust.verdict import Outcome, Refused, Trusted

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def secret(text: str = "") -> bytes:
    return sha256(text.encode()).digest()


def psk(**fields: Any) -> ExternalPSK:
    defaults = {"identity": "k-7f3a", "secret": secret(), "own": "service.example", "peer": "device 7"}
    return ExternalPSK(**defaults | fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"identity": b""}, "identity: expected 1 to 1024 bytes"),
        ({"identity": "x" * 1025}, "identity: expected"),
        ({"identity": 7}, "identity: expected"),
        ({"secret": secret()[:15]}, "secret: expected 16 to 512 random bytes"),
        ({"secret": secret() * 17}, "secret: expected"),
        ({"secret": "text"}, "secret: expected"),
        ({"secret": b"correct horse battery staple"}, "secret: this is text and not random bytes"),
        ({"secret": secret().hex().encode()}, "Decode it"),
        ({"secret": bytes(32)}, "secret: these are not random bytes"),
        ({"own": ""}, "own: expected a printable name"),
        ({"peer": "a\nb"}, "peer: expected a printable name"),
        ({"peer": "\u00e4" * 128}, "peer: expected a printable name"),
        ({"peer": None}, "peer: expected a printable name"),
        ({"peer": "service.example"}, "peer: service.example is our own name too"),
        ({"hash": "SHA-1"}, "hash: SHA-1 is neither SHA-256 nor SHA-384"),
        ({"context": "text"}, "context: expected at most 1024 bytes"),
        ({"context": bytes(1025)}, "context: expected"),
        ({"context": b"", "insecure_without_importer": True}, "context: without the importer"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(fields: dict[str, Any], problem: str) -> None:
    """RFC 9257 6: at least 128 bits, and no password."""
    with pytest.raises(ConfigError, match=problem) as caught:
        psk(**fields)
    assert secret().hex() not in str(caught.value) and "correct horse" not in str(caught.value)


def test_a_key_never_shows_its_secret() -> None:
    one = psk(identity="k\x1b[31m")
    for text in (repr(one), str(one), repr(ExternalPSKs([one])), repr(request_for_key(one, NO_KEYS))):
        assert secret().hex() not in text and repr(secret()) not in text and text.isprintable()


def test_the_context_has_both_names_by_role() -> None:
    """RFC 9258 B: the client's first, whoever's point of view it is."""
    ours, theirs = psk(), psk(own="device 7", peer="service.example")
    expected = b"\x08device 7\x0fservice.example"
    assert ours.context_of(Role.SERVER) == expected == theirs.context_of(Role.CLIENT)
    assert (
        ours.context_of(Role.CLIENT) == b"\x0fservice.example\x08device 7" == theirs.context_of(Role.SERVER)
    )
    given = psk(context=b"agreed")
    assert given.context_of(Role.SERVER) == given.context_of(Role.CLIENT) == b"agreed"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([psk(), psk(secret=secret("other"))], "the identity k-7f3a occurs twice"),
        ([psk(), psk(identity="k-2")], "the key k-2 has the secret of another one"),
        ([psk(), psk(insecure_without_importer=True)], "the key k-7f3a has the secret of another one"),
        (["text"], "keys: expected external PSKs, not str"),
    ],
    ids=["identity", "secret", "with the importer and without", "no key"],
)
def test_a_set_of_keys_that_are_not_apart_is_refused(keys: list[Any], problem: str) -> None:
    """RFC 9257 4: each pair of peers has its own; RFC 9258 4: an imported one is used for nothing else."""
    with pytest.raises(ConfigError, match=problem):
        ExternalPSKs(keys)


def test_number_of_keys_in_a_set_is_limited() -> None:
    many = (psk(identity=f"k-{number}", secret=secret(str(number))) for number in range(MOST_KEYS + 1))
    with pytest.raises(ConfigError, match=f"more than {MOST_KEYS} keys"):
        ExternalPSKs(many)


def test_the_keys_of_a_server_are_found_by_any_spelling_of_its_name() -> None:
    keys = ExternalPSKs(
        [
            psk(peer="Service.Example", own="device 7"),
            psk(identity="k-2", secret=secret("2"), peer="service.example.", own="device 7"),
            psk(identity="k-3", secret=secret("3"), peer="::1", own="device 7"),
            psk(identity="k-4", secret=secret("4"), peer="device 8"),
        ]
    )
    assert [each.octets for each in keys.of_server(server_name("service.example"))] == [b"k-7f3a", b"k-2"]
    assert [each.octets for each in keys.of_server(server_name("[0:0::1]"))] == [b"k-3"]
    assert keys.of_server(server_name("other.example")) == ()
    assert keys.servers == {server_name("service.example"): 2, server_name("::1"): 1}


def test_keys_with_and_without_the_importer_have_their_own_identities() -> None:
    plain = psk(secret=secret("plain"), insecure_without_importer=True)
    keys = ExternalPSKs([psk(), plain])
    assert keys.named(b"k-7f3a", imported=False) is plain
    imported = keys.named(b"k-7f3a", imported=True)
    assert imported is not None and not imported.insecure_without_importer
    assert keys.named(b"k-2", imported=True) is None


def test_a_verdict_on_a_key_has_nothing_of_a_certificate() -> None:
    one = psk()
    verdict = request_for_key(one, ExternalPSKs([one])).verify(NOON)
    assert isinstance(verdict, Trusted) and verdict.by_key is not None
    assert verdict.path == () and verdict.names.count == 0 and verdict.names.subject == ""
    assert verdict.valid_until == verdict.not_after == NO_END
    assert str(verdict.by_key) == "device 7 (by a pre-shared key)"
    assert [each.outcome for each in verdict.findings] == [
        Outcome.PASSED,
        Outcome.NOT_CHECKED,
        Outcome.NOT_CHECKED,
    ]
    assert "until it is removed" in verdict.findings[2].text


@pytest.mark.parametrize(
    "other",
    [
        {"secret": secret("changed")},
        {"peer": "device 8"},
        {"own": "other.example"},
        {"hash": "SHA-384"},
        {"context": b"x"},
        {"insecure_without_importer": True},
        {"identity": "k-2"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_key_that_was_removed_or_changed_is_refused(other: dict[str, Any]) -> None:
    request = request_for_key(psk(), ExternalPSKs([psk(**other)]))
    verdict = request.verify(NOON)
    assert isinstance(verdict, Refused)
    assert [each.fault for each in verdict.reasons] == [Fault.PSK_REMOVED]
    assert "device 7" in str(verdict.reasons[0])
    assert isinstance(request_for_key(psk(), ExternalPSKs([psk()])).verify(NOON), Trusted)


def test_a_rule_can_name_whom_a_key_stands_for_and_all_others_refuse() -> None:
    one = psk()
    verdict = request_for_key(one, ExternalPSKs([one])).verify(NOON)
    assert isinstance(verdict, Trusted)
    assert PeerRule(psk="device 7").allows(verdict) and PeerRule(psk=("x", "device 7")).allows(verdict)
    assert not PeerRule(psk="device 8").allows(verdict) and not PeerRule(psk="device 8").may_mean(verdict)
    for kind, value in {"dns": "device7.example", "cn": "device 7", "spki": "0" * 64, "key": "P-256"}.items():
        rule = PeerRule(**{kind: value})
        assert rule.failing(verdict) == kind
        assert rule.may_mean(verdict), "a name might be that of its holder, so a rule that denies it holds"
        assert PeerRule(**{kind: value, "psk": "device 7"}).failing(verdict) == kind


def write(path: Path, *identities: str, at: int = 0) -> None:
    tables = [
        f'[[key]]\nidentity = "{each}"\nsecret = "{secret(each).hex()}"\npeer = "device {each}"\n'
        for each in identities
    ]
    path.write_text('own = "service.example"\n' + "\n".join(tables))
    os.utime(path, (at, at))


def test_a_watched_file_is_read_again_and_may_become_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal of a key is its revocation, that of the last one too."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    file = tmp_path / "keys.toml"
    write(file)
    with pytest.raises(ConfigError, match="it contains no key"):
        ExternalPSKs.watched(file)
    with pytest.raises(ConfigError, match="it contains no key"):
        ExternalPSKs.from_file(file)
    write(file, "1", "2", at=10)
    keys = ExternalPSKs.watched(file)
    one = keys.named(b"1", imported=True)
    assert one is not None and len(keys) == len(ExternalPSKs.from_file(file)) == 2
    request = request_for_key(one, keys)
    assert isinstance(request.verify(NOON), Trusted) and request.generation == 0
    for generation, left in enumerate((("2",), ()), 1):
        write(file, *left, at=20 * generation)
        assert keys.generation == request.generation == generation
        assert isinstance(request.verify(NOON), Refused)
    file.write_text("garbage")
    os.utime(file, (90, 90))
    assert len(keys) == 0 and keys.generation == 2
