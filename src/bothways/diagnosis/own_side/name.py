"""Whether a client finds its server's name in our certificate, where it sent none that could be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.stacks import Stack
from bothways.faults import shown
from bothways.iana import Alert
from bothways.trust.path.name_matching import SPIFFE, names_of
from bothways.trust.verdict import Names

LIKELY, POSSIBLE, OURS = Weight.LIKELY, Weight.POSSIBLE, Party.OURS
# Alerts by which TLS implementations refuse a certificate for another name; some close without one.
NAME_ALERTS = (Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN, None)


# By which OpenSSL, and programs over it, refuse a name that a client compares and did not send.
COMPARED = (Alert.INTERNAL_ERROR, Alert.BAD_CERTIFICATE)


def wrong_name(case: Case) -> Iterator[Likely]:
    """A client refused our certificate, and sent no server name that could be compared with it."""
    if case.is_client or not case.chain:
        return
    asked = case.observed.offer.server_name if case.observed.offer is not None else None
    compares = case.alert == Alert.INTERNAL_ERROR and case.stack is Stack.OPENSSL
    if compares and asked is not None:
        yield _compared_by_itself(case, asked)
        return
    if is_address(asked):
        asked = None
    names = names_of(case.chain[0])
    covered = case.own_side.local in names.ip
    # OpenSSL sends every name that it wants; a program that compares by itself says internal_error.
    sent_none = covered and case.stack is Stack.OPENSSL and case.alert not in COMPARED
    if asked is None and not sent_none:
        evidence = (
            "it sent no server name: it connected by address, or by "
            "a name without dots, which Java does not send"
        )
        lacking = not names.ip and all("." in each for each in names.dns)
        local = case.own_side.local
        if local:
            evidence += f"; it reached us at {local}, which our certificate "
            evidence += "has" if covered else "does not have"
        elif lacking:
            evidence += "; our certificate has neither"
        by_openssl = case.stack is Stack.OPENSSL and case.alert == Alert.BAD_CERTIFICATE and not is_new(case)
        if compares:
            evidence += f"; {BY_ITSELF}"
        elif by_openssl:
            evidence += f"; {BY_OPENSSL}"
        weight = LIKELY if compares or by_openssl or _lacks_address(case, lacking, names.ip) else POSSIBLE
        wanted = "the name that the client used" if covered else "the address that the client connected to"
        if _has_spiffe_id_alone(names):
            wanted = "what the client compares: another SPIFFE ID, or a name or an address"
        yield case.likely(_cause(names), OURS, weight, evidence, got=_names(case), wanted=wanted)


BY_ITSELF = "programs that compare names by themselves (stunnel's checkHost, mosquitto) send this alert"
BY_OPENSSL = (
    "OpenSSL, as which it lists its schemes, sends this alert for a name or an address that it does not find"
)


def sent_name(case: Case) -> bool:
    """Whether the client sent a server name, as those do that connect by one."""
    return case.observed.offer is not None and case.observed.offer.server_name is not None


def is_new(case: Case) -> bool:
    """Whether a certificate that we sent is a few days old: by a clock that is behind it is not yet valid."""
    return case.situation.now - max(each.not_before for each in case.chain) < NEW


NEW = timedelta(days=3)


def _compared_by_itself(case: Case, asked: str) -> Likely:
    """A client may compare another name than it sends: stunnel sends the address that it connects to."""
    names = names_of(case.chain[0])
    evidence = f"it sent the server name {shown(asked)}, and may compare another one; {BY_ITSELF}"
    return case.likely(
        _cause(names), OURS, LIKELY, evidence, got=_names(case), wanted="the name that the client compares"
    )


def wrong_address(case: Case) -> Iterator[Likely]:
    """Without the address that a client used no CA helps: it is told before the issuer."""
    if case.own_side.local:
        yield from (each for each in wrong_name(case) if each.weight is LIKELY)


def _lacks_address(case: Case, lacking: bool, addresses: Collection[str]) -> bool:
    """Whether a client that sent no name refused us by the alert for a certificate without its address.

    lacking: whether our certificate has neither addresses nor names without dots. Clients with OpenSSL send every
    name, and so do those with GnuTLS that send alerts; Java and OpenLDAP do not.
    """
    if case.alert not in NAME_ALERTS or case.own_side.local in addresses:
        return False
    by_gnutls = case.stack is Stack.GNUTLS and case.alert == Alert.BAD_CERTIFICATE
    return lacking or bool(case.own_side.local and (by_gnutls or case.stack is Stack.OPENSSL))


def _names(case: Case) -> str:
    found = names_of(case.chain[0])
    compared = found.uri if _has_spiffe_id_alone(found) else found.dns + found.ip
    return shown(compared) if compared else found.subject


def _cause(names: Names) -> Cause:
    has_names = names.dns or names.ip or _has_spiffe_id_alone(names)
    return Cause.WRONG_NAME if has_names else Cause.NO_ALTERNATIVE_NAME


def _has_spiffe_id_alone(names: Names) -> bool:
    """Whether a certificate has a SPIFFE ID and no name of a host, as an SVID has it."""
    return not names.dns and not names.ip and any(each.startswith(SPIFFE) for each in names.uri)
