"""The status of a certificate by CRLs: which CRLs apply, which of several is used, and delta CRLs (RFC 5280 6.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import NamedTuple

from cryptography import x509

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.entries import HOLD, REMOVED
from bothways.trust.crl.revocation_list import CRL, Names
from bothways.trust.evidence.requests import delta_requests
from bothways.trust.path.validation import Path
from bothways.trust.path.web_profile import crl_problem
from bothways.trust.revocation.available import Available, StatusChecker
from bothways.trust.revocation.crl_signers import CRLSigners
from bothways.trust.revocation.distribution_points import applies, other_scope, points_of
from bothways.trust.revocation.status import Good, Revoked, Statement, Unknown
from bothways.trust.verdict import EvidenceRequest
from bothways.trust.work import WorkBudget, WorkStep

Reasons = frozenset[x509.ReasonFlags]

MOST_EXPLAINED, MOST_TOLD = 16, 2  # CRLs of an issuer that tell nothing of a certificate


class _Signed(NamedTuple):
    """A CRL with an authorised signer, and until when that signer is known not to be revoked."""

    crl: CRL
    signer: ParsedCertificate
    not_revoked_until: datetime


class CRLSource:
    """The CRLs that are available, for one path."""

    def __init__(
        self,
        available: Available,
        path: Path,
        others: Sequence[ParsedCertificate],
        checker: StatusChecker,
        work: WorkBudget,
    ) -> None:
        self._available = available
        self._checker = checker
        self._work = work
        self._signers = CRLSigners(path, others, available.at, checker, work)
        self._known: dict[tuple[object, ...], _Signed | str] = {}
        self._found: dict[tuple[bytes, Names], list[CRL]] = {}

    def statements(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[Statement]:
        """Return the statement of each CRL at the certificate's distribution points."""
        found_statements: list[Statement] = []
        usable = []
        reasons = self._applicable(certificate)
        deltas = [crl for crl in reasons if crl.base is not None]
        for crl in reasons:
            if crl.base is not None:
                continue
            signed = self._signed(crl, issuer)
            if isinstance(signed, str):
                found_statements.append(Unknown(signed))
            else:
                usable.append(signed)
        found_statements += [
            self._statement(each, reasons[each.crl], certificate) for each in self._newest(usable)
        ]
        return found_statements + [
            found for each in deltas if (found := self._revoked_later(each, usable, certificate, issuer))
        ]

    def unused(self, certificate: ParsedCertificate) -> str:
        """Say why the CRLs of a certificate's issuer that are available tell nothing of it; "" where there are none."""
        applicable = self._applicable(certificate)
        found: dict[str, None] = {}
        for crl in self._available.crls_of(certificate.normal_issuer, MOST_EXPLAINED):
            self._work.spend(WorkStep.EVIDENCE)
            dated = f"that of {crl.this_update:%Y-%m-%d %H:%M}"
            if crl.base is not None:
                base = f"amends the complete CRL with the number {crl.base}"
                found[f"{dated} is a delta CRL: it {base}, and neither that nor a later one is there"] = None
            elif crl not in applicable:
                found[f"{dated} {other_scope(crl, certificate)}"] = None
        return "; ".join(islice(found, MOST_TOLD))

    def _revoked_later(
        self,
        delta: CRL,
        complete: Sequence[_Signed],
        certificate: ParsedCertificate,
        issuer: ParsedCertificate,
    ) -> Revoked | None:
        """Return a permanent revocation in a delta CRL whose base is not available, unless a later complete CRL is."""
        signed = self._signed(delta, issuer)
        if isinstance(signed, str):
            return None
        entry = delta.find(certificate.serial, certificate.normal_issuer)
        if entry is None or entry.reason in (HOLD, REMOVED):
            return None
        is_replaced = any(
            each.crl.scope_key == delta.scope_key
            and each.signer.key_digest == signed.signer.key_digest
            and each.crl.age >= delta.age
            and not self._is_early(each.crl)
            for each in complete
        )
        return None if is_replaced else Revoked(entry.revoked_at, entry.reason)

    def _applicable(self, certificate: ParsedCertificate) -> dict[CRL, Reasons]:
        """Return the CRLs and delta CRLs for a certificate, each with the reasons of its distribution points."""
        found: dict[CRL, Reasons] = {}
        for point in points_of(certificate, self._work):
            for name in point.issuers:
                for crl in self._about(name, point.matched_names):
                    self._work.spend(WorkStep.EVIDENCE)
                    if applies(crl, point, certificate):
                        found[crl] = found.get(crl, frozenset()) | point.reasons
        return found

    def _about(self, normal_issuer: bytes, names: Names) -> list[CRL]:
        """Return the CRLs of an issuer for a distribution point with one of these names; found once for each."""
        key = normal_issuer, names
        if key not in self._found:
            self._found[key] = self._available.crls_about(normal_issuer, names)
        return self._found[key]

    def _newest(self, signed: Sequence[_Signed]) -> list[_Signed]:
        """Return the newest CRL of each series and signer; one from the future does not replace a valid one."""
        if len(signed) < 2:
            return list(signed)
        newest: dict[tuple[object, ...], list[_Signed]] = {}
        for each in signed:
            series = (*each.crl.series, each.signer.key_digest, self._is_early(each.crl))
            held = newest.setdefault(series, [])
            if held and held[0].crl.age < each.crl.age:
                held.clear()
            if not held or held[0].crl.age == each.crl.age:
                held.append(each)
        return [each for held in newest.values() for each in held]

    def _statement(self, signed: _Signed, reasons: Reasons, certificate: ParsedCertificate) -> Statement:
        """Return the statement of one CRL and its delta CRL about a certificate (RFC 5280 6.3.3 c to l)."""
        crl, signer, not_revoked_until = signed
        deltas = self._deltas(crl, signer)
        unprocessed = _unprocessed(crl) or next(filter(None, map(_unprocessed, deltas)), None)
        problem = self._time_problem(crl) or self._profile_problem(crl, *deltas)
        names = (certificate.serial, certificate.normal_issuer)
        entry = next(
            (found_statements for delta in deltas if (found_statements := delta.find(*names)) is not None),
            None,
        )
        if entry is None or (entry.reason == REMOVED and unprocessed is not None):
            entry = crl.find(*names)
        if entry is not None and entry.reason == REMOVED:
            entry = None  # in a complete CRL too (6.3.3 k)
        if entry is not None and not (problem and entry.reason == HOLD):
            # A revocation is permanent, so even an expired CRL proves it.
            return Revoked(entry.revoked_at, entry.reason)
        if problem or unprocessed:
            return Unknown(problem or f"the CRL of {crl.issuer_text} {unprocessed}")
        ends = [each.next_update for each in (crl, *deltas) if each.next_update is not None]
        until = min([*map(self._available.usable_until, ends), not_revoked_until])
        return Good(until, crl.scope.reasons & reasons, self._delta_requests(crl, signer, certificate))

    def _delta_requests(
        self, crl: CRL, signer: ParsedCertificate, certificate: ParsedCertificate
    ) -> tuple[EvidenceRequest, ...]:
        """Return the requests for delta CRLs of a CRL, which is valid also without them."""
        fetch = self._available.policy.fetch
        if fetch is None or self._available.fetched is None:
            return ()
        return tuple(delta_requests(certificate, crl, signer, fetch))

    def _deltas(self, crl: CRL, signer: ParsedCertificate) -> list[CRL]:
        """Return the newest delta CRL for `crl`, in a list of at most one (RFC 5280 5.2.4, 6.3.3 c)."""
        if crl.number is None:
            return []
        fitting = [
            each
            for each in self._about(crl.normal_issuer, crl.scope.names or frozenset())
            if each.base is not None
            and each.scope_key == crl.scope_key
            and each.authority_key == crl.authority_key
            and each.base <= crl.number < (each.number or 0)
            and self._time_problem(each) is None
            and self._is_signed(each, signer)
        ]
        return sorted(fitting, key=lambda each: each.age)[-1:]

    def _profile_problem(self, *crls: CRL) -> str | None:
        """Return why the profile refuses CRLs, or None."""
        if self._available.profile == "private":
            return None
        problems = (crl_problem(each.number, critical=each.has_critical_number) for each in crls)
        problem = next(filter(None, problems), None)
        return problem if problem is None else f"the CRL of {crls[0].issuer_text} {problem}"

    def _time_problem(self, crl: CRL) -> str | None:
        """Return why a CRL is not valid now, or None."""
        if self._is_early(crl):
            return f"the CRL of {crl.issuer_text} is not valid before {crl.this_update:%Y-%m-%d %H:%M}"
        if crl.next_update is None:
            return f"the CRL of {crl.issuer_text} has no nextUpdate"
        if crl.next_update < crl.this_update:
            return (
                f"the CRL of {crl.issuer_text} has a nextUpdate before "
                f"its thisUpdate: {crl.next_update:%Y-%m-%d %H:%M}"
            )
        if self._available.at - crl.next_update > self._available.policy.tolerance:
            return f"the CRL of {crl.issuer_text} expired on {crl.next_update:%Y-%m-%d %H:%M}"
        return None

    def _is_early(self, crl: CRL) -> bool:
        """Whether a CRL is from the future (RFC 5280 5.1.2.4)."""
        return crl.this_update - self._available.at > self._available.policy.tolerance

    def _signed(self, crl: CRL, issuer: ParsedCertificate) -> _Signed | str:
        """Return a CRL with its signer, or why there is none; found once for each issuer."""
        key = (crl, issuer.der, *self._checker.in_progress)
        if key not in self._known:
            self._known[key] = self._find_signer(crl, issuer)
        return self._known[key]

    def _find_signer(self, crl: CRL, issuer: ParsedCertificate) -> _Signed | str:
        """Return a CRL with its authorised signer, or why it cannot be used (RFC 5280 6.3.3 f and g)."""
        if crl.weakness is not None:
            return f"the CRL of {crl.issuer_text} is signed with {crl.weakness}"
        signers = self._signers.of(crl.normal_issuer, issuer)
        refused = None
        for signer in signers.allowed:
            if self._is_signed(crl, signer):
                not_revoked_until = self._signers.not_revoked_until(signer, issuer)
                if not isinstance(not_revoked_until, str):
                    return _Signed(crl, signer, not_revoked_until)
                refused = f"the CRL of {crl.issuer_text} is signed by {not_revoked_until}"
        whose = f"the CRL of {crl.issuer_text}"
        if refused is None and not signers.allowed and signers.refused is not None:
            return f"{whose} could only be signed by {signers.refused}"
        return refused or f"{whose} is not signed by a known key of that CA"

    def _is_signed(self, crl: CRL, signer: ParsedCertificate) -> bool:
        """Whether the key of an authorised signer signed a CRL; checked once, and charged to the work budget.

        Where the check is slow and deferred, it is added to the deferred checks, and the result is False until it is
        made.
        """
        if crl.needs_preparing(signer):
            if crl.takes_long and self._available.defers:
                self._available.checks.append(partial(crl.prepare, signer))
                return False
            if not crl.has_checked(signer):
                self._work.spend_signature(signer.key, 0 if crl.is_long else crl.size)
        return crl.prepare(signer)


def _unprocessed(crl: CRL) -> str | None:
    """Return what in a CRL cannot be processed, so that it does not prove a certificate good; or None."""
    if crl.unread is not None:
        return f"cannot be decoded completely: {crl.unread}"
    return None if crl.problem is None else f"cannot be used: {crl.problem}"
