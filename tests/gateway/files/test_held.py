"""What is made of files: each file whole or not at all, and what has not changed is the same object."""

from __future__ import annotations

from datetime import timedelta

import pytest

import pki
from bothways import ConfigError
from bothways.gateway.config.credential_files import CredentialFiles
from bothways.gateway.files import held as module
from bothways.gateway.files.held import Held, Making
from bothways.trust import files
from bothways.trust.certificate.parsed import ParsedCertificate


class Folder:
    """Contents of files in memory."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents

    def __call__(self, path: str, most: int = files.MAX_FILE) -> bytes:
        if path not in self.contents:
            raise ConfigError(f"{path}: cannot be read")
        return self.contents[path]

    def made(self, before: Held | None = None, *changed: str, keeps: bool = True) -> Making:
        return Making(self, before or Held(), changed, pki.NOW, keeps=keeps)


def test_unchanged_files_give_the_same_objects(crls) -> None:
    root, _, old, new = crls
    folder = Folder(ca=root.pem, crl=old)
    first = folder.made()
    anchors, lists = first.anchors("ca"), first.lists(("crl",))
    assert first.anchors("ca") is anchors
    folder.contents["crl"] = new
    second = folder.made(first.held, "crl")
    assert second.anchors("ca") is anchors
    assert second.lists(("crl",)) is not lists
    assert [len(each) for each in lists] == [0]
    assert second.news and "read again" in second.news[0]


def test_a_file_is_read_once_for_all_groups_of_files_with_it(crls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of routes may have a long CRL beside one of their own; one that is new finds it as well."""
    root, leaf, old, new = crls
    read: list[str] = []
    for name in ("crls_in", "responses_in"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda data, path, *more, f=original: read.append(path) or f(data, path, *more)
        )
    response = pki.ocsp_response(leaf, root)
    folder = Folder(common=old, a=old, b=old, c=old, x=response, y=response)
    first = folder.made()
    for mine in ("a", "b"):
        first.lists(("common", mine))
    for paths in (("x",), ("x", "y")):
        first.responses(paths)
    assert sorted(read) == ["a", "b", "common", "x", "y"]
    read.clear()
    second = folder.made(first.held)
    for mine in ("a", "b", "c"):
        second.lists(("common", mine))
    second.responses(("y",))
    assert read == ["c"]
    folder.contents["common"] = new
    read.clear()
    third = folder.made(second.held, "common")
    assert all(is_listed(third.lists(("common", mine)), leaf) for mine in ("a", "b", "c"))
    assert read == ["common"]


def test_a_list_that_is_older_or_gone_replaces_nothing(crls) -> None:
    """Nobody is let in again by an old file."""
    _, leaf, old, new = crls
    folder = Folder(crl=new)
    first = folder.made()
    assert is_listed(first.lists(("crl",)), leaf)
    folder.contents["crl"] = old
    second = folder.made(first.held, "crl")
    assert is_listed(second.lists(("crl",)), leaf)
    folder.contents["crl"] = b"broken"
    third = folder.made(second.held, "crl")
    assert is_listed(third.lists(("crl",)), leaf)
    assert [paths for paths, _ in third.kept] == [("crl",)]
    assert third.news == [] and "crl: " in str(third.kept[0][1])
    with pytest.raises(ConfigError):
        folder.made(second.held, "crl", keeps=False).lists(("crl",))


def test_one_broken_file_does_not_keep_another_from_use(crls) -> None:
    _, leaf, old, new = crls
    folder = Folder(one=old, two=old)
    first = folder.made()
    first.lists(("one", "two"))
    folder.contents |= {"one": b"broken", "two": new}
    second = folder.made(first.held, "one", "two")
    assert is_listed(second.lists(("one", "two")), leaf)
    assert [paths for paths, _ in second.kept] == [("one",)]


def test_a_key_that_does_not_belong_to_the_certificate_leaves_both_as_they_were() -> None:
    root = pki.root()
    one, two = pki.leaf(root, "one"), pki.leaf(root, "two", own_key=pki.key(number=7))
    folder = Folder(cert=one.pem, key=one.key_pem)
    first = folder.made()
    own = first.credentials(CredentialFiles("cert", "key"))
    folder.contents["cert"] = two.pem
    half = folder.made(first.held, "cert")
    assert half.credentials(CredentialFiles("cert", "key")) is own
    assert "does not belong" in str(half.kept[0][1])
    folder.contents["key"] = two.key_pem
    whole = folder.made(half.held, "key")
    assert whole.credentials(CredentialFiles("cert", "key")).certificate == two.certificate


def test_responses_are_read_and_revocations_of_them_stay() -> None:
    root = pki.root()
    leaf = pki.leaf(root, "client")
    folder = Folder(ocsp=pki.ocsp_response(leaf, by=root))
    first = folder.made()
    assert len(first.responses(("ocsp",))) == 1
    folder.contents["ocsp"] = pki.ocsp_response(leaf, by=root, status="revoked", this_update=pki.NOW)
    second = folder.made(first.held, "ocsp")
    assert len(second.responses(("ocsp",))) == 2
    assert second.news == ["ocsp: read again: 1 OCSP response"]


def is_listed(store, leaf) -> bool:
    return any(crl.find(serial_of(leaf), crl.normal_issuer) is not None for crl in store)


def serial_of(leaf) -> bytes:
    return ParsedCertificate(leaf.der).serial


@pytest.fixture
def crls():
    """A root, a leaf of it, and two CRLs: an older one without the leaf, a newer one with it."""
    root = pki.root()
    leaf = pki.leaf(root, "client")
    old = pki.crl(root, this_update=pki.NOW - timedelta(hours=2))
    new = pki.crl(root, leaf, number=2, this_update=pki.NOW - timedelta(hours=1))
    return root, leaf, old, new
