"""The reasons for which our own verification would refuse our own chain, as the peer has to verify it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bothways.errors import ConfigError
from bothways.faults import Fault, Reason
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.constraints import flaws
from bothways.trust.path.name_matching import server_name
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify


def reasons_against(
    chain: Sequence[ParsedCertificate], purpose: Purpose, asked: str | None, at: datetime
) -> tuple[Reason, ...]:
    """Return the reasons against a chain, with its own end as the trust anchor: the peer's anchors are not known.

    asked: the server name that a client sent, where `purpose` is that of a server.
    """
    if not chain:
        return ()
    store = TrustStore([chain[-1].der], remember_paths=0)
    whole = _reasons([each.der for each in chain], store, purpose, None, at)
    return (*whole, *_end_reasons(chain, whole), *_name_reasons(chain[0], store, purpose, asked, at))


def revocations(
    chain: Sequence[ParsedCertificate], anchors: TrustStore | None, crls: CRLStore, at: datetime
) -> tuple[Reason, ...]:
    """Return the revocations of our own chain by CRLs that we have, up to a trust anchor of ours or its own end.

    A long CRL whose signature was not checked yet says nothing: that would take too long here.
    """
    if not chain:
        return ()
    reasons = None if anchors is None else _refused(chain, anchors, crls, at)
    if reasons is None or any(each.fault is Fault.NO_PATH for each in reasons):
        reasons = _refused(chain, TrustStore([chain[-1].der], remember_paths=0), crls, at)
    return tuple(each for each in reasons if each.fault is Fault.REVOKED)


def _refused(
    chain: Sequence[ParsedCertificate], store: TrustStore, crls: CRLStore, at: datetime
) -> tuple[Reason, ...]:
    ders = [each.der for each in chain]
    revocation = Revocation(crls=crls, unknown="accept")
    request = VerificationRequest(ders, store, None, revocation=revocation, key_usage=None)
    verdict = request.verify(at, defer=True)
    return verdict.reasons if isinstance(verdict, Refused) else ()


def _reasons(
    chain: list[bytes], store: TrustStore, purpose: Purpose, name: str | None, at: datetime
) -> tuple[Reason, ...]:
    usage = (
        "digitalSignature" if purpose is Purpose.CLIENT else None
    )  # the one way in which clients use their key
    verdict = verify(chain, store, purpose=purpose, name=name, at=at, key_usage=usage)
    return verdict.reasons if isinstance(verdict, Refused) else ()


def _end_reasons(chain: Sequence[ParsedCertificate], known: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return the reasons against the last certificate as one that is not a trust anchor, as it may be for the peer."""
    end, place = chain[-1], len(chain) - 1
    if end.is_self_issued:
        return ()
    weakness = {each.fault for each in known if each.position == place}
    found = (Reason(fault, place, end.subject_text, facts) for fault, facts in flaws(end))
    return tuple(each for each in found if each.fault not in weakness)


def _name_reasons(
    leaf: ParsedCertificate, store: TrustStore, purpose: Purpose, asked: str | None, at: datetime
) -> tuple[Reason, ...]:
    if purpose is Purpose.CLIENT or asked is None:
        return ()
    try:
        name = server_name(asked).text
    except ConfigError:
        return ()
    found = _reasons([leaf.der], store, purpose, name, at)
    return tuple(each for each in found if each.fault in (Fault.NAME_MISMATCH, Fault.NO_SERVER_NAMES))
