"""Which certificate of several is shown, and how its key signs: by what the peer asks for, and what we have."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import Credentials
from bothways.faults import Fault
from bothways.tls.events import Caution
from bothways.tls.handshake.credentials import (
    ClientChoice,
    choose_client_credentials,
    choose_scheme,
    choose_server_credentials,
    credentials_for,
)
from bothways.tls.handshake.own_credentials import OwnCredentials
from faults import Walked, blames
from pki import intermediate, leaf, root
from tls.handshake.conversations import authority, credentials, credentials_of

ECDSA, RSA_PSS, P384 = 0x0403, 0x0804, 0x0503


def test_scheme_is_one_of_both_sides_and_of_the_key() -> None:
    """RFC 9846 4.3.3: in our order."""
    mine = credentials("localhost")
    assert choose_scheme(mine, (P384, ECDSA), (ECDSA, P384)) == ECDSA
    assert choose_scheme(mine, (RSA_PSS,), (RSA_PSS, ECDSA)) is None
    rsa = credentials("localhost", "RSA-2048")
    assert choose_scheme(rsa, (0x0401, 0x0805, RSA_PSS), (RSA_PSS, 0x0805)) == RSA_PSS


def test_server_takes_the_first_credentials_of_the_name_whose_key_fits() -> None:
    """RFC 9846 4.5.1.2: the name first, then the scheme."""
    ec, rsa, other = credentials("localhost"), credentials("localhost", "RSA-2048"), credentials("a.example")
    own = OwnCredentials((other, ec, rsa))
    every = (ECDSA, RSA_PSS)

    def choose(name: str | None, offered: tuple[int, ...], refuse: bool = False) -> tuple[Credentials, int]:
        return choose_server_credentials(credentials_for(own, name, refuse)[0], offered, every)

    assert choose("localhost", every) == (ec, ECDSA)
    assert choose("localhost", (RSA_PSS,)) == (rsa, RSA_PSS)
    assert choose("LOCALHOST", every) == (ec, ECDSA)
    assert choose("a.example", every) == (other, ECDSA)
    assert choose(None, every) == (other, ECDSA)
    assert choose(None, (RSA_PSS,)) == (rsa, RSA_PSS)
    assert choose("b.example", every) == (other, ECDSA)
    assert choose("a.example", every, refuse=True) == (other, ECDSA)
    assert choose(None, every, refuse=True) == (other, ECDSA)
    with blames(Fault.UNKNOWN_SERVER_NAME, name="b.example"):
        choose("b.example", every, refuse=True)
    with blames(Fault.NO_SHARED_SCHEME, offered=["rsa_pss_rsae_sha256"], accepted=["ecdsa_secp256r1_sha256"]):
        choose("a.example", (RSA_PSS,))


@pytest.mark.parametrize(
    ("wildcard", "name", "stands"),
    [
        ("*.example.org", "www.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "WWW.EXAMPLE.ORG", True),
    ],
)
def test_wildcard_matches_one_label(wildcard: str, name: str, stands: bool) -> None:
    """RFC 9525 6.3: the server's choice follows the client's rule."""
    own = (credentials("a.example"), credentials(wildcard))
    named, by_name = credentials_for(OwnCredentials(own), name, False)
    assert (named, by_name) == ((own[1:], True) if stands else (own[:1], False))


def test_long_list_of_schemes_is_gone_through_once_for_all_credentials() -> None:
    """A hello of 64 KiB must not cost seconds where many credentials are served."""
    own = tuple(credentials(f"n{number}.example") for number in range(3))
    junk = Walked(range(0x2000, 0x9000))
    with blames(Fault.NO_SHARED_SCHEME):
        choose_server_credentials(own, junk, (ECDSA, RSA_PSS))
    assert choose_server_credentials(own, Walked((*junk, ECDSA)), (ECDSA,)) == (own[0], ECDSA)
    assert choose_client_credentials(own, junk, None, (ECDSA,)).credentials is None


def names(*issued: Any) -> tuple[bytes, ...]:
    return tuple(each.certificate.subject.public_bytes() for each in issued)


def test_client_sends_what_leads_to_an_authority_that_the_server_names() -> None:
    """RFC 9846 4.3.4: the issuer or any other in the chain."""
    other_root = root("Other Root")
    other = credentials_of(leaf(intermediate(other_root, "Other CA"), "other.example"))
    mine = credentials("client.example")
    own = (mine, other)
    choose = choose_client_credentials
    every = (ECDSA,)
    assert choose(own, every, names(authority()), every) == ClientChoice(mine, ECDSA)
    assert choose(own, every, names(*authority().above), every) == ClientChoice(mine, ECDSA)
    assert choose(own, every, names(other_root), every) == ClientChoice(other, ECDSA)
    assert choose(own, every, None, every) == ClientChoice(mine, ECDSA)
    assert choose(own, every, (), every) == ClientChoice(mine, ECDSA)
    elsewhere = names(root("Elsewhere"))
    assert choose(own, every, elsewhere, every) == ClientChoice(
        warning=Caution.NO_MATCHING_AUTHORITY_OF_SEVERAL
    )
    assert choose((mine,), every, elsewhere, every) == ClientChoice(
        mine, ECDSA, Caution.NO_MATCHING_AUTHORITY
    )
    assert choose(own, (RSA_PSS,), None, every) == ClientChoice(warning=Caution.NO_FITTING_SCHEME)
    assert choose((), every, None, every) == ClientChoice(warning=Caution.NO_CREDENTIALS)


def test_client_with_several_sends_the_one_whose_key_fits() -> None:
    """RFC 9846 4.5.1.3: an RSA key for a server that takes RSA alone."""
    ec, rsa = credentials("client.example"), credentials("client.example", "RSA-2048")
    choice = choose_client_credentials((ec, rsa), (RSA_PSS,), names(authority()), (ECDSA, RSA_PSS))
    assert choice == ClientChoice(rsa, RSA_PSS)
