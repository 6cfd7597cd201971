"""The way into judging from outside: what a caller gives is checked, what is in a chain never raises."""

from __future__ import annotations

import importlib
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import identities
from bothways.errors import ConfigError
from bothways.faults import Fault
from bothways.trust import CRLStore, Fetch, Limits, OCSPStore, Policies, Purpose, Refused, Revocation, Trusted
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL, crls_in
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.path.name_matching import server_name
from bothways.trust.path.validation import read_leaf
from bothways.trust.verification import verify
from pki import DAY, NOW, crl, intermediate, leaf, ocsp_response, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
ANCHORS = TrustStore.from_pem(ROOT.pem)
CHAIN = SERVER.chain
WEB = TrustStore.from_pem(ROOT.pem, profile="web")


def verified(chain: Any = CHAIN, anchors: Any = ANCHORS, **options: Any) -> Any:
    asked = {"purpose": Purpose.SERVER, "name": "server.example", "at": NOW}
    return verify(chain, anchors, **asked | options)


def faults(verdict: Any) -> list[Fault]:
    assert isinstance(verdict, Refused), verdict
    return [reason.fault for reason in verdict.reasons]


def test_a_valid_chain_is_trusted_with_its_checks() -> None:
    """RFC 5280 6.1."""
    verdict = verified()
    assert isinstance(verdict, Trusted)
    assert verdict.path == (SERVER.certificate, CA.certificate, ROOT.certificate)
    assert verdict.findings[2].text == "no source configured"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"name": "other.example"}, Fault.NAME_MISMATCH),
        ({"at": NOW + 3650 * DAY}, Fault.CERTIFICATE_EXPIRED),
        ({"chain": leaf(CA, usage=("clientAuth",)).chain}, Fault.WRONG_EXTENDED_KEY_USAGE),
        ({"chain": leaf(CA, key_usage=("key_encipherment",)).chain}, Fault.WRONG_KEY_USAGE),
        ({"chain": [b"garbage"]}, Fault.BAD_ENCODING),
        ({"chain": []}, Fault.BAD_ENCODING),
        ({"chain": [SERVER.der]}, Fault.NO_PATH),
        ({"limits": Limits(certificates=1)}, Fault.CHAIN_TOO_LARGE),
        ({"policies": Policies(required=True)}, Fault.NO_VALID_POLICY),
        ({"revocation": Revocation(crls=CRLStore())}, Fault.REVOCATION_UNKNOWN),
        ({"chain": leaf(CA, usage=None).chain, "anchors": WEB}, Fault.NOT_A_WEB_CERTIFICATE),
    ],
)
def test_each_argument_of_verify_counts(options: dict[str, Any], fault: Fault) -> None:
    """Each argument decides."""
    assert fault in faults(verified(**options))


@pytest.mark.parametrize(
    "options",
    [
        {"name": None},
        {"purpose": None},
        {"purpose": Purpose.CLIENT, "name": None},
        {"name": server_name("server.example")},
        {"key_usage": None, "chain": leaf(CA, key_usage=("key_encipherment",)).chain},
        {"key_usage": "keyEncipherment", "chain": leaf(CA, key_usage=("key_encipherment",)).chain},
        {"at": NOW.astimezone(timezone(timedelta(hours=9)))},
        {"chain": tuple(bytearray(each) for each in CHAIN)},
        {"chain": [memoryview(each) for each in CHAIN]},
        {"staples": [None, None, None]},
        {"anchors": WEB},
    ],
)
def test_arguments_of_verify_may_have_other_types_or_be_omitted(options: dict[str, Any]) -> None:
    """None asks for nothing; bytes may come in any form."""
    assert isinstance(verified(**options), Trusted)


REVOKED = ocsp_response(SERVER, status="revoked")


@pytest.mark.parametrize(
    "options",
    [
        {"revocation": Revocation(crls=CRLStore(crls_in(crl(CA, SERVER), "ca")))},
        {"revocation": Revocation(ocsp=OCSPStore([OCSPResponse(REVOKED)]))},
        {"revocation": Revocation(staples="use"), "staples": [memoryview(REVOKED)]},
        {"revocation": Revocation(staples="use", unknown="accept"), "staples": [bytearray(REVOKED), None]},
    ],
)
def test_evidence_of_a_revocation_counts(options: dict[str, Any]) -> None:
    """RFC 5280 6.3.3, RFC 6960: available, or stapled to the chain."""
    assert Fault.REVOKED in faults(verified(**options))


def test_a_verdict_has_wants_where_evidence_may_be_fetched() -> None:
    """`fetched` is what came so far; without it nothing is wanted."""
    ada = identities.named_client()
    policy = Revocation(fetch=Fetch(by_caller=True), covers="leaf")
    asked = {"purpose": Purpose.CLIENT, "name": None, "at": datetime.now(UTC), "revocation": policy}
    anchors = TrustStore([ada.above[-1].der])
    assert verified(ada.chain, anchors, **asked).wants == ()
    [request] = verified(ada.chain, anchors, **asked, fetched=FetchedEvidence()).wants
    assert (request.kind, request.locations) == ("ocsp", ("http://ocsp.example/",))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"at": NOW.replace(tzinfo=None)}, "at: expected a time with its time zone"),
    ({"at": date(2026, 6, 1)}, "at: expected a time with its time zone"),
    ({"at": None}, "at: expected a time with its time zone"),
    ({"at": NOW.timestamp()}, "at: expected a time with its time zone"),
    ({"name": "no name"}, "server_name: 'no name' is not a DNS name"),
    ({"name": ""}, "server_name: '' is not a DNS name"),
    ({"name": b"server.example"}, "name: expected a DNS name"),
    ({"purpose": "server"}, "purpose: expected Purpose.SERVER"),
    ({"anchors": [ROOT.der]}, "anchors: expected a TrustStore"),
    ({"anchors": None}, "anchors: expected a TrustStore"),
    ({"revocation": "require"}, "revocation: expected a Revocation"),
    ({"key_usage": "digital_signature"}, "key_usage: 'digital_signature' is none of digitalSignature"),
    ({"policies": ()}, "policies: expected Policies"),
    ({"limits": 16}, "limits: expected Limits"),
    ({"fetched": {}}, "fetched: expected what was fetched"),
    ({"chain": SERVER.der}, "chain: expected a list, even for a single one"),
    ({"chain": SERVER.pem.decode()}, "chain: expected a list, even for a single one"),
    ({"chain": None}, "chain: expected a list, even for a single one"),
    ({"chain": [SERVER.certificate]}, "chain: expected DER as bytes, not Certificate"),
    ({"chain": [SERVER.pem.decode()]}, "chain: expected DER as bytes, not str"),
    ({"chain": [20]}, "chain: expected DER as bytes, not int"),
    ({"staples": ocsp_response(SERVER)}, "staples: expected a list, even for a single one"),
    ({"staples": ["good"]}, "staples: expected DER as bytes, not str"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message for _, message in WRONG])
def test_invalid_arguments_are_config_errors(options: dict[str, Any], message: str) -> None:
    """ConfigError for any chain: nothing is verified with invalid arguments."""
    with pytest.raises(ConfigError) as caught:
        verified(**options)
    assert str(caught.value).startswith(message)


POLICY = Revocation(staples="use", crls=CRLStore(crls_in(crl(CA), "ca")), unknown="accept")


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([*CHAIN, ROOT.der]), max_size=5),
    st.lists(st.none() | st.binary(max_size=80), max_size=5),
    st.sampled_from([ANCHORS, WEB]),
)
def test_any_chain_makes_a_verdict(
    chain: list[bytes], staples: list[bytes | None], anchors: TrustStore
) -> None:
    """It never raises for what is in a chain or in what came with it."""
    verdict = verified(chain, anchors, staples=staples, revocation=POLICY)
    assert isinstance(verdict, Trusted | Refused)


@given(st.data(), st.sampled_from([ANCHORS, WEB]))
def test_a_chain_with_an_altered_byte_makes_a_verdict(data: st.DataObject, anchors: TrustStore) -> None:
    """In the leaf or its CA, at any place."""
    chain = [bytearray(each) for each in CHAIN]
    which = data.draw(st.integers(0, len(chain) - 1))
    at = data.draw(st.integers(0, len(chain[which]) - 1))
    chain[which][at] ^= data.draw(st.integers(1, 255))
    assert isinstance(verified(chain, anchors), Refused)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("tolerance", [timedelta(0), timedelta(minutes=5), timedelta.max])
def test_a_verdict_is_given_at_the_ends_of_the_calendar_too(at: datetime, tolerance: timedelta) -> None:
    """A clock that was never set, and clocks that may differ by any time, raise nothing."""
    lists = CRLStore([*crls_in(crl(ROOT), ""), *crls_in(crl(CA), "")])
    responses = OCSPStore(
        [OCSPResponse(ocsp_response(SERVER)), OCSPResponse(ocsp_response(SERVER, next_update=None))]
    )
    policy = Revocation(crls=lists, ocsp=responses, tolerance=tolerance)
    verdict = verify(SERVER.chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=at, revocation=policy)
    assert isinstance(verdict, Refused)


@pytest.mark.parametrize("room", ["bothways.trust.path", "bothways.trust.revocation"])
def test_the_former_name_still_works(room: str) -> None:
    """No other name leads anywhere."""
    module = importlib.import_module(room)
    assert module.judge is verify
    assert not hasattr(module, "verify")


def test_modules_that_are_packages_now_still_have_the_names_that_programs_import() -> None:
    """One part of a path, one CRL."""
    assert importlib.import_module("bothways.trust.path").read_leaf is read_leaf
    assert importlib.import_module("bothways.trust.crl").CRL is CRL
