"""Which certificates of a chain follow one another, and what stands where none does."""

from __future__ import annotations

import pytest

import pki
from bothways import Credentials
from bothways.errors import ConfigError
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.chain_links import (
    NOT_TOLD,
    SIGNATURES,
    follows,
    identifier_text,
    instead_of_issuer,
    is_altered,
    is_self_signed,
    key_difference,
    linked,
    may_issue,
    names_key_of,
)

ROOT = pki.root("Acme Root")
ISSUING = pki.intermediate(ROOT, "Acme Issuing")
ANEW = pki.intermediate(ROOT, "Acme Issuing", own_key=pki.key("P-256", 31))
OTHER = pki.intermediate(ROOT, "Acme Other")
LEAF = pki.leaf(ISSUING, "bank.example")


def parsed(*issued: pki.Issued) -> list[ParsedCertificate]:
    return [ParsedCertificate(each.der) for each in issued]


def names(found: list[ParsedCertificate]) -> list[str]:
    return [each.subject_text for each in found]


def test_a_chain_is_followed_by_its_signatures_in_any_order() -> None:
    path, rest = linked(parsed(LEAF, OTHER, ROOT, ISSUING))
    assert names(path) == ["CN=bank.example", "CN=Acme Issuing", "CN=Acme Root"]
    assert names(rest) == ["CN=Acme Other"]


def test_a_ca_that_changed_its_key_is_no_root() -> None:
    """Its new key is certified by the old one (RFC 4210 4.4): that certificate has to be sent."""
    newer = pki.intermediate(ROOT, "Acme Root", own_key=pki.key("P-256", 61))
    leaf = pki.leaf(newer, "bank.example")
    path, rest = linked(parsed(leaf, ROOT, newer))
    assert [each.der for each in path] == [leaf.der, newer.der, ROOT.der] and not rest
    assert [is_self_signed(each) for each in path] == [False, False, True]
    for sent in (leaf.pem + newer.pem, leaf.pem + newer.pem + ROOT.pem):
        assert list(Credentials.from_pem(sent, leaf.key_pem).chain) == [leaf.der, newer.der]


def test_a_ca_of_the_same_name_with_another_key_does_not_follow() -> None:
    path, rest = linked(parsed(LEAF, OTHER, ANEW))
    assert names(path) == ["CN=bank.example"]
    other = instead_of_issuer(path[0], rest)
    assert other is not None and other.der == ANEW.der
    wanted, has = (parsed(each)[0].subject_key_identifier or b"" for each in (ISSUING, ANEW))
    assert key_difference(path[0], other) == (
        f"the key identifier wanted is {identifier_text(wanted)}, and it has {identifier_text(has)}"
    )
    assert identifier_text(wanted) == wanted.hex(":").upper()


def test_key_identifiers_that_say_nothing_are_not_told() -> None:
    plain = pki.intermediate(ROOT, "Acme Plain", key_identifiers=False)
    child, other = parsed(pki.leaf(plain, "bank.example", key_identifiers=False), ANEW)
    assert key_difference(child, other) is None
    assert not names_key_of(child, [other])
    assert names_key_of(parsed(LEAF)[0], parsed(OTHER, ISSUING))
    assert len(identifier_text(bytes(500))) < 70


def test_a_certificate_that_names_the_key_which_did_not_sign_it_was_altered() -> None:
    """With the issuer's other certificate beside it, too, and for an intermediate: no other key is spoken of."""
    altered = pki.leaf(ISSUING, "bank.example", broken=True)
    middle = pki.intermediate(ROOT, "Acme Issuing", broken=True)
    files = (
        (altered.pem + ISSUING.pem, altered.key_pem, "CN=bank.example"),
        (altered.pem + ANEW.pem + ISSUING.pem, altered.key_pem, "CN=bank.example"),
        (LEAF.pem + middle.pem + ROOT.pem, LEAF.key_pem, "CN=Acme Issuing"),
    )
    for sent, key, subject in files:
        with pytest.raises(
            ConfigError, match=f"signature of the certificate of {subject} does not"
        ) as caught:
            Credentials.from_pem(sent, key)
        assert "damaged or was altered" in str(caught.value)
        assert "another key" not in str(caught.value) and "incomplete" not in str(caught.value)
    child, issuing, anew = parsed(altered, ISSUING, ANEW)
    assert is_altered(child, issuing) and not is_altered(child, anew)
    unnamed, plain = parsed(pki.leaf(ISSUING, "a.example", key_identifiers=False, broken=True), ISSUING)
    assert not is_altered(unnamed, plain)


def test_only_a_ca_is_called_a_certificate_in_the_place_of_an_issuer() -> None:
    child, holder, other = parsed(LEAF, pki.leaf(ROOT, "holder.example"), OTHER)
    assert instead_of_issuer(child, [holder, other]) is other
    assert instead_of_issuer(child, [holder]) is None
    assert (may_issue(other), may_issue(holder)) == (True, False)


def test_a_signature_that_counts_for_nothing_says_nothing_about_a_key() -> None:
    """With SHA-1, or by a key of 1024 bits; the signature itself is not checked then."""
    old = pki.root("Old Root", key_kind="RSA-2048")
    weak = pki.root("Weak Root", key_kind="RSA-1024")
    for child, issuer in (
        (pki.leaf(old, "bank.example", digest="SHA1", key_kind="RSA-2048"), old),
        (pki.leaf(weak, "bank.example"), weak),
    ):
        assert follows(*parsed(child, issuer))
    assert not follows(*parsed(LEAF, ANEW))


def test_the_work_for_one_chain_is_bounded() -> None:
    """A peer may send many CAs of one name."""
    many = [
        pki.intermediate(ROOT, "Acme Issuing", own_key=pki.key("P-256", 100 + n))
        for n in range(SIGNATURES + 2)
    ]
    path, rest = linked(parsed(pki.leaf(ISSUING, "a.example", key_identifiers=False), *many, ISSUING))
    assert len(path) == 1 and len(rest) == len(many) + 1


def test_key_identifiers_tell_a_difference_only_where_both_sides_have_one() -> None:
    plain = pki.intermediate(ROOT, "Acme Issuing", key_identifiers=False, own_key=pki.key("P-256", 78))
    leaf, anonymous, ours, anew, without = parsed(
        LEAF, pki.leaf(ISSUING, "a.example", key_identifiers=False), ISSUING, ANEW, plain
    )
    assert key_difference(leaf, ours) is None and key_difference(leaf, without) is None
    assert key_difference(anonymous, anew) is None and key_difference(anonymous, without) is None
    assert "the key identifier wanted is" in str(key_difference(leaf, anew))


def test_our_own_file_with_the_issuers_other_certificate_is_told_by_its_key() -> None:
    with pytest.raises(ConfigError, match="is there with another key: the key identifier wanted is"):
        Credentials.from_pem(LEAF.pem + ANEW.pem, LEAF.key_pem)
    with pytest.raises(
        ConfigError, match="with the key [0-9A-F:]{59}, is missing; add its certificate, or remove CN=Acme O"
    ):
        Credentials.from_pem(LEAF.pem + OTHER.pem, LEAF.key_pem)
    plain = pki.intermediate(ROOT, "Plain", key_identifiers=False)
    anew = pki.intermediate(ROOT, "Plain", key_identifiers=False, own_key=pki.key("P-256", 77))
    leaf = pki.leaf(plain, "bank.example", key_identifiers=False)
    with pytest.raises(ConfigError, match=f"is there, and {NOT_TOLD}; .*or copy both again"):
        Credentials.from_pem(leaf.pem + anew.pem, leaf.key_pem)
