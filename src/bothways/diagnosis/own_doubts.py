"""What is wrong with our own certificate, told before a peer refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bothways.diagnosis.certificates import fault_of_ours
from bothways.diagnosis.own_side.chain import OPENSSL_ALERTS
from bothways.diagnosis.self_check import reasons_against
from bothways.faults import Fault, Reason
from bothways.roles import Role
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.verdict import Purpose

ANY_NAME = "a.example"  # of a server; that a certificate is for others is no fault of it


def own_doubts(chain: Sequence[bytes], role: Role, now: datetime) -> list[str]:
    """Return a sentence for each reason for which peers will refuse our chain, with the alert and the remedy.

    chain: in DER, ours first.  role: what we are.
    """
    purpose, asked = (Purpose.SERVER, ANY_NAME) if role is Role.SERVER else (Purpose.CLIENT, None)
    reasons = reasons_against([ParsedCertificate(each) for each in chain], purpose, asked, now)
    return [_doubt(each, role, now) for each in reasons if each.fault is not Fault.NAME_MISMATCH]


def doubts_and_renewal(own: Credentials, role: Role, now: datetime, late: Sequence[str]) -> list[str]:
    """Return the sentences of `own_doubts`, then those about a late renewal; that a certificate has ended is told once.

    late: the sentences of `renewal`, which tell that too.
    """
    doubts = own_doubts(own.chain, role, now)
    return doubts if now >= own.not_after else [*doubts, *late]


def _doubt(reason: Reason, role: Role, now: datetime) -> str:
    found = fault_of_ours(reason, role, now)
    of_openssl = OPENSSL_ALERTS.get(reason.fault)
    alert = reason.fault.alert.name.lower()
    alert += f", OpenSSL by {of_openssl.name.lower()}" if of_openssl is not None else ""
    return f"{found.text}: {role.peer}s will refuse it ({alert}); {found.remedy}"
