"""What CRLs say of a certificate: which apply, which of several count, what amends them (RFC 5280 6.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from cryptography import x509

from bothways.trust.certificate import ParsedCertificate
from bothways.trust.crl import CRL
from bothways.trust.crl_entries import HOLD, REMOVED
from bothways.trust.evidence.requests import delta_requests
from bothways.trust.path import Path
from bothways.trust.revocation.available import Asker, Available
from bothways.trust.revocation.crl_signers import CRLSigners
from bothways.trust.revocation.distribution_points import applies, points_of
from bothways.trust.revocation.status import Good, Revoked, Statement, Unknown
from bothways.trust.verdict import EvidenceRequest
from bothways.trust.web_profile import crl_problem
from bothways.trust.work import Step, WorkBudget

Reasons = frozenset[x509.ReasonFlags]

# A longer CRL is checked beside the event loop, where one waits for us, and at the expense of no peer.
LONG_LIST = 256 * 1024


class _Signed(NamedTuple):
    """A CRL whose signer may sign it, and until when that is known."""

    crl: CRL
    signer: ParsedCertificate
    vouched: datetime


class CRLSource:
    """The CRLs that are available, for one path."""

    def __init__(
        self,
        available: Available,
        path: Path,
        others: Sequence[ParsedCertificate],
        asker: Asker,
        work: WorkBudget,
    ) -> None:
        self._available = available
        self._asker = asker
        self._work = work
        self._signers = CRLSigners(path, others, available.at, asker, work)
        self._known: dict[tuple[object, ...], _Signed | str] = {}

    def statements(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[Statement]:
        """Return what each CRL at the certificate's distribution points says of it."""
        said: list[Statement] = []
        usable = []
        reasons = self._applicable(certificate)
        deltas = [crl for crl in reasons if crl.base is not None]
        for crl in reasons:
            if crl.base is not None:
                continue
            signed = self._signed(crl, issuer)
            if isinstance(signed, str):
                said.append(Unknown(signed))
            else:
                usable.append(signed)
        said += [self._statement(each, reasons[each.crl], certificate) for each in self._newest(usable)]
        return said + [
            found for each in deltas if (found := self._revoked_later(each, usable, certificate, issuer))
        ]

    def _revoked_later(
        self,
        delta: CRL,
        complete: Sequence[_Signed],
        certificate: ParsedCertificate,
        issuer: ParsedCertificate,
    ) -> Revoked | None:
        """Return a revocation for good in a delta that fits no CRL at hand, where no later CRL stands for it."""
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
        """Return the CRLs that speak of a certificate, deltas too, with the reasons that its points leave each."""
        found: dict[CRL, Reasons] = {}
        for point in points_of(certificate, self._work):
            for name in point.issuers:
                for crl in self._available.crls_about(name, point.matched_names):
                    self._work.spend(Step.EVIDENCE)
                    if applies(crl, point, certificate):
                        found[crl] = found.get(crl, frozenset()) | point.reasons
        return found

    def _newest(self, signed: Sequence[_Signed]) -> list[_Signed]:
        """Return the newest of each series that one key signed; one from the future displaces none of now."""
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
        """Return what one CRL, with its delta, says of a certificate (RFC 5280 6.3.3 c to l)."""
        crl, signer, vouched = signed
        deltas = self._deltas(crl, signer)
        doubt = next(filter(None, map(_doubt, (crl, *deltas))), None)
        problem = self._untimely(crl) or self._unlike_public_lists(crl, *deltas)
        names = (certificate.serial, certificate.normal_issuer)
        entry = next((said for delta in deltas if (said := delta.find(*names)) is not None), None)
        if entry is None or (entry.reason == REMOVED and doubt is not None):
            entry = crl.find(*names)
        if entry is not None and entry.reason == REMOVED:
            entry = None  # in a complete CRL too (6.3.3 k)
        if entry is not None and not (problem and entry.reason == HOLD):
            # A revocation is for good, so that even an expired CRL proves it.
            return Revoked(entry.revoked_at, entry.reason)
        if problem or doubt:
            return Unknown(problem or f"the CRL of {crl.issuer_text} {doubt}")
        ends = [each.next_update for each in (crl, *deltas) if each.next_update is not None]
        until = min([*map(self._available.lapse, ends), vouched])
        return Good(until, crl.scope.reasons & reasons, self._amending(crl, signer, certificate))

    def _amending(
        self, crl: CRL, signer: ParsedCertificate, certificate: ParsedCertificate
    ) -> tuple[EvidenceRequest, ...]:
        """Return what could be fetched to amend a CRL; it holds should that not be had."""
        fetch = self._available.policy.fetch
        if fetch is None or self._available.fetched is None:
            return ()
        return tuple(delta_requests(certificate, crl, signer, fetch))

    def _deltas(self, crl: CRL, signer: ParsedCertificate) -> list[CRL]:
        """Return the newest delta CRL that amends `crl`, if one does (RFC 5280 5.2.4, 6.3.3 c)."""
        fitting = [
            each
            for each in self._available.crls_about(crl.normal_issuer, crl.scope.names or frozenset())
            if each.base is not None
            and each.scope_key == crl.scope_key
            and each.authority_key == crl.authority_key
            and crl.number is not None
            and each.base <= crl.number < (each.number or 0)
            and self._untimely(each) is None
            and self._is_signed(each, signer)
        ]
        return sorted(fitting, key=lambda each: each.age)[-1:]

    def _unlike_public_lists(self, *crls: CRL) -> str | None:
        """Say by what CRLs are not as those of public web CAs, where they have to be, or None."""
        if self._available.profile == "private":
            return None
        problems = (crl_problem(each.number, critical=each.has_critical_number) for each in crls)
        problem = next(filter(None, problems), None)
        return problem if problem is None else f"the CRL of {crls[0].issuer_text} {problem}"

    def _untimely(self, crl: CRL) -> str | None:
        """Say why a CRL does not hold now, or None."""
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
        """Find a CRL's signer, once for all that is asked about the certificates of an issuer."""
        key = (crl, issuer.der, *self._asker.asking)
        if key not in self._known:
            self._known[key] = self._find_signer(crl, issuer)
        return self._known[key]

    def _find_signer(self, crl: CRL, issuer: ParsedCertificate) -> _Signed | str:
        """Return who signed a CRL and may, or say why it cannot be used (RFC 5280 6.3.3 f and g)."""
        whose = f"the CRL of {crl.issuer_text}"
        weak = crl.weakness()
        if weak is not None:
            return f"{whose} is signed with {weak}"
        signers = self._signers.of(crl.normal_issuer, issuer)
        refused = None
        for signer in signers.allowed:
            if self._is_signed(crl, signer):
                vouched = self._signers.vouched_until(signer, issuer)
                if not isinstance(vouched, str):
                    return _Signed(crl, signer, vouched)
                refused = f"{whose} is signed by {vouched}"
        if refused is None and not signers.allowed and signers.refused is not None:
            return f"{whose} could only be signed by {signers.refused}"
        return refused or f"{whose} is not signed by a known key of that CA"

    def _is_signed(self, crl: CRL, signer: ParsedCertificate) -> bool:
        """Whether a key that may sign a CRL did; that is found out once, and paid for.

        Where it takes long and is deferred it is wanted, and no until then.
        """
        if crl.needs_preparing(signer):
            is_long = len(crl.der) > LONG_LIST
            if is_long and self._available.defers:
                self._available.checks.append(partial(crl.prepare, signer))
                return False
            if not crl.has_checked(signer):
                self._work.spend_signature(signer.key, 0 if is_long else len(crl.der))
        return crl.prepare(signer)


def _doubt(crl: CRL) -> str | None:
    """Say what keeps a CRL from proving that anybody is good, or None."""
    if crl.unread is not None:
        return f"cannot be decoded completely: {crl.unread}"
    return None if crl.problem is None else f"cannot be used: {crl.problem}"
