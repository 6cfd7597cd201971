"""What a connection waits for is answered beside the event loop."""

from __future__ import annotations

import threading

import pytest

import identities
from aio_talk import closed, echo, open_to, run, serving
from bothways import PeerAlert
from bothways.trust.crl import revocation_list
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation

pytestmark = pytest.mark.network


@run
async def test_the_signature_of_a_long_list_is_checked_in_another_thread():
    """A list of many megabytes holds no other connection up."""
    threads: list[threading.Thread] = []
    check = CRL.is_signed_by

    def noting(self, signer):
        if not self.has_checked(signer):
            threads.append(threading.current_thread())
        return check(self, signer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revocation_list, "LONG_CRL", 0)
        patch.setattr(CRL, "is_signed_by", noting)
        config = identities.server_config(revocation=Revocation(crls=CRLStore(identities.crls())))
        async with serving(echo, config) as server:
            reader, writer = await open_to(server)
            writer.write(b"hello")
            assert await reader.read(100) == b"hello"
            await closed(writer)
    assert threads
    assert all(each.name.startswith("bothways-checks") for each in threads)


@run
async def test_a_client_that_a_long_list_revokes_is_refused():
    """The checks are made before anybody is let in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revocation_list, "LONG_CRL", 0)
        store = CRLStore(identities.crls(identities.client()))
        async with serving(echo, identities.server_config(revocation=Revocation(crls=store))) as server:
            with pytest.raises(PeerAlert):
                reader, writer = await open_to(server)
                writer.write(b"hello")
                await reader.read(100)
