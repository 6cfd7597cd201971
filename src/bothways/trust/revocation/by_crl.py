"""What revocation lists say of a certificate (RFC 5280 6.3.3): which apply, who may sign them, what amends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from cryptography import x509

from bothways.trust.certificate import Parsed
from bothways.trust.crl import CRL, HOLD, REMOVED
from bothways.trust.evidence.sources import delta_wants
from bothways.trust.path import Path, find_path
from bothways.trust.revocation.available import Asker, Available
from bothways.trust.revocation.distribution_points import Point, applies, points_of
from bothways.trust.revocation.status import Good, Revoked, Statement, Unknown
from bothways.trust.verdict import Want
from bothways.trust.web_profile import crl_problem
from bothways.trust.work import WorkBudget

_MAX_LISTS = 64
# A longer CRL is checked beside the event loop, where one waits for us.
LONG_LIST = 256 * 1024


class CRLSource:
    """The lists that are available, for one path."""

    def __init__(
        self, available: Available, path: Path, others: Sequence[Parsed], asker: Asker, work: WorkBudget
    ) -> None:
        self._work = work
        self._available = available
        self._path = path
        self._others = others
        self._asker = asker
        self._signers: dict[tuple[int, bytes], Parsed | str] = {}
        self._vouched: dict[bytes, datetime] = {}

    def statements(self, certificate: Parsed, issuer: Parsed) -> list[Statement]:
        """Return what each list at the certificate's distribution points says of it."""
        said: list[Statement] = []
        for point in points_of(certificate):
            applicable = [crl for crl in self._lists(point) if applies(crl, point, certificate)]
            usable, problems = self._usable(applicable, issuer)
            said += problems
            said += [self._statement(crl, signer, point, certificate) for crl, signer in usable]
        return said

    def _lists(self, point: Point) -> list[CRL]:
        found = [crl for name in point.issuers for crl in self._available.lists_of(name)]
        return [crl for crl in found if crl.base is None][:_MAX_LISTS]

    def _usable(self, crls: list[CRL], issuer: Parsed) -> tuple[list[tuple[CRL, Parsed]], list[Unknown]]:
        """Return the authentic lists with their signers, of one series the newest alone; and what others lack."""
        newest: dict[tuple[object, ...], tuple[CRL, Parsed]] = {}
        problems = []
        for crl in crls:
            signer = self._signer_of(crl, issuer)
            if isinstance(signer, str):
                problems.append(Unknown(signer))
                continue
            series = (*crl.scope_key, signer.key_digest)
            if series not in newest or newest[series][0].age < crl.age:
                newest[series] = (crl, signer)
        return list(newest.values()), problems

    def _statement(self, crl: CRL, signer: Parsed, point: Point, certificate: Parsed) -> Statement:
        """Return what one list, with its delta, says of a certificate (RFC 5280 6.3.3 c to l)."""
        deltas = self._deltas(crl, signer)
        problem = self._untimely(crl) or self._unlike_public_lists(crl, *deltas)
        unread = next((each for each in (crl, *deltas) if each.unread is not None), None)
        names = (certificate.serial, certificate.normal_issuer)
        entry = next((said for delta in deltas if (said := delta.find(*names)) is not None), None)
        if entry is None:
            entry = crl.find(*names)
        elif entry.reason == REMOVED:
            entry = None if unread is None else crl.find(*names)
        if entry is not None and not (problem and entry.reason == HOLD):
            # A revocation is for good, so that even an expired list proves it.
            return Revoked(entry.revoked_at, entry.reason)
        if problem:
            return Unknown(problem)
        if unread is not None:
            return Unknown(f"the CRL of {crl.issuer_text} cannot be read whole: {unread.unread}")
        ends = [each.next_update for each in (crl, *deltas) if each.next_update is not None]
        vouched = self._vouched.get(signer.der, signer.not_after)
        until = min([*map(self._available.lapse, ends), vouched])
        return Good(until, crl.scope.reasons & point.reasons, self._amending(crl, signer, certificate))

    def _amending(self, crl: CRL, signer: Parsed, certificate: Parsed) -> tuple[Want, ...]:
        """Return what could be fetched to amend a list; it holds should that not be had."""
        fetch = self._available.policy.fetch
        if fetch is None or self._available.gathered is None:
            return ()
        return tuple(delta_wants(certificate, crl, signer, fetch))

    def _deltas(self, crl: CRL, signer: Parsed) -> list[CRL]:
        """Return the newest delta list that amends `crl`, if one does (RFC 5280 5.2.4, 6.3.3 c)."""
        fitting = [
            each
            for each in self._available.lists_of(crl.normal_issuer)
            if each.base is not None
            and each.scope_key == crl.scope_key
            and each.authority_key == crl.authority_key
            and crl.number is not None
            and each.base <= crl.number < (each.number or 0)
            and each.problem is None
            and self._untimely(each) is None
            and self._is_signed(each, signer)
        ]
        return sorted(fitting, key=lambda each: each.age)[-1:]

    def _unlike_public_lists(self, *crls: CRL) -> str | None:
        """Say by what lists are not as those of public web CAs, where they have to be, or None."""
        if self._available.profile == "private":
            return None
        problems = (crl_problem(each.number, critical=each.has_critical_number) for each in crls)
        problem = next(filter(None, problems), None)
        return problem if problem is None else f"the CRL of {crls[0].issuer_text} {problem}"

    def _untimely(self, crl: CRL) -> str | None:
        """Say why a list does not hold now, or None."""
        at, tolerance = self._available.at, self._available.policy.tolerance
        if crl.this_update > at + tolerance:
            return f"the CRL of {crl.issuer_text} is from the future: {crl.this_update:%Y-%m-%d %H:%M}"
        if crl.next_update is None:
            return f"the CRL of {crl.issuer_text} does not say until when it holds"
        if crl.next_update < at - tolerance:
            return f"the CRL of {crl.issuer_text} expired on {crl.next_update:%Y-%m-%d %H:%M}"
        return None

    def _signer_of(self, crl: CRL, issuer: Parsed) -> Parsed | str:
        """Find a list's signer, once for all the distribution points of the certificate asked about."""
        key = (id(crl), issuer.der + b"".join(self._asker.asking))
        if key not in self._signers:
            self._signers[key] = self._signer(crl, issuer)
        return self._signers[key]

    def _signer(self, crl: CRL, issuer: Parsed) -> Parsed | str:
        """Return who signed a list and may, or say why it cannot be used (RFC 5280 6.3.3 f and g)."""
        if crl.problem is not None:
            return f"the CRL of {crl.issuer_text} cannot be used: {crl.problem}"
        weak = crl.weakness()
        if weak is not None:
            return f"the CRL of {crl.issuer_text} is signed with {weak}"
        refused = None
        for candidate in self._candidates(crl, issuer):
            if candidate is not issuer and not self._available.work.affords(crl, candidate):
                return f"the CRL of {crl.issuer_text} is too large to be held against every key in that CA's name"
            if self._is_signed(crl, candidate):
                problem = self._unfit(candidate)
                if problem is None:
                    return candidate
                refused = f"the CRL of {crl.issuer_text} is signed by {problem}"
        return refused or f"the CRL of {crl.issuer_text} is not signed by a key known as that CA's"

    def _candidates(self, crl: CRL, issuer: Parsed) -> Iterator[Parsed]:
        """Yield the certificates in the name of a list's issuer, the certificate's own issuer first."""
        seen: set[bytes] = set()
        for each in (issuer, *self._path, *self._others):
            if each.der not in seen and each.normal_subject == crl.normal_issuer:
                seen.add(each.der)
                try:
                    each.load()
                except ValueError:
                    continue
                yield each

    def _unfit(self, signer: Parsed) -> str | None:
        """Say why a key may not sign lists: by its usage, its path, or its own status; None if it may."""
        usage = signer.extension(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return "a key whose usage lacks cRLSign"
        if signer in self._path[1:]:
            return None
        asking = self._asker.asking
        if len(asking) > 1 and asking[-1] == signer.der:
            return None  # a signer whose CA has named no other list for it answers for itself
        if not self._asker.may_ask_about(signer):
            return "a certificate whose own status depends on it"
        others = (*self._path[1:-1], *self._others)
        path = find_path(signer, others, self._available.anchors, self._available.at, self._work)
        if path is None or path[-1].der != self._path[-1].der:
            return "a certificate without a path to the same anchor"
        until = [each.not_after for each in path]
        for position, certificate in enumerate(path[:-1]):
            if certificate in self._path[1:]:
                break
            said = self._asker.status(certificate, path[position + 1])
            if not isinstance(said, Good):
                return f"{certificate.subject_text}, whose own status is not good"
            until.append(said.until)
        self._vouched[signer.der] = min(until)
        return None

    def _is_signed(self, crl: CRL, signer: Parsed) -> bool:
        """Whether a key signed a CRL; where that takes long and is deferred it is wanted, and no until then."""
        if self._available.defers and len(crl.der) > LONG_LIST and not crl.has_met(signer):
            self._available.checks.append(partial(crl.is_signed_by, signer))
            return False
        return crl.is_signed_by(signer)
