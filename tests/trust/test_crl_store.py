"""The lists at hand: where they come from, and which takes the place of which."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.errors import ConfigError
from bothways.trust.crl import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pki import NOW, crl, intermediate, issuing_point, leaf, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
CLEAN = (crl(ROOT), crl(CA))


def test_a_store_reads_files_and_pem(tmp_path):
    """--crl takes PEM (several) or DER, repeated."""
    (tmp_path / "root.crl").write_bytes(CLEAN[0])
    (tmp_path / "ca.pem").write_bytes(x509.load_der_x509_crl(CLEAN[1]).public_bytes(Encoding.PEM))
    store = CRLStore.from_files(tmp_path / "root.crl", str(tmp_path / "ca.pem"))
    assert (len(store), repr(store)) == (2, "<CRLStore of 2 lists>")
    assert len(CRLStore.from_pem((tmp_path / "ca.pem").read_bytes())) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        CRLStore.from_files(tmp_path / "gone.crl")


def test_a_list_is_added_in_the_place_of_an_older_one_only():
    """An older list never replaces a newer one."""
    store = CRLStore(map(CRL, CLEAN))
    assert store.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    assert len(store) == 2
    assert not store.add(CRL(crl(CA, number=1)))
    assert store.add(CRL(crl(CA, number=2, point=issuing_point(users=True))))
    assert len(store) == 3


def test_a_store_is_replaced_whole_and_keeps_what_is_newer():
    """Files are read again while handshakes go on."""
    store = CRLStore([CRL(CLEAN[0]), CRL(crl(CA, SERVER, number=9, this_update=NOW))])
    held = Revocation(crls=store)
    store.replace(CRLStore([CRL(crl(CA, number=3))]))
    assert [each.number for each in held.crls] == [9]
    store.replace(CRLStore([CRL(crl(CA, number=10, this_update=NOW + timedelta(minutes=1)))]))
    assert [each.number for each in held.crls] == [10]


def test_a_store_tells_by_its_generation_that_its_lists_changed():
    """Lists that are there already are no news, and keep what is known of their signers."""
    store = CRLStore(map(CRL, CLEAN))
    held, seen = list(store), store.generation
    store.replace(CRLStore(map(CRL, CLEAN)))
    assert not store.add(CRL(crl(CA, number=0)))
    assert store.add(CRL(CLEAN[1]))
    assert store.generation == seen
    store.replace(CRLStore(map(CRL, CLEAN)))
    assert next(iter(store)) is held[0]
    store.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    assert store.generation != seen
    seen = store.generation
    store.replace(CRLStore([CRL(CLEAN[0])]))
    assert store.generation != seen
