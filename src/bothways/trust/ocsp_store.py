"""The available OCSP responses: evidence about peers, or staples of our own.

A response is replaced only by a later one whose signer the same CA has authorised, which verifications find out.
Responses with an unknown signer are kept beside it, a limited number for each certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain

from cryptography import x509

from bothways.arguments import several
from bothways.trust import files
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding.parsing import attempt, encoded
from bothways.trust.ocsp.request import CertID, cert_ids_of, serial_number
from bothways.trust.ocsp.response import MAX_AGE, OCSPResponse, responses_in
from bothways.trust.work import OutOfWork

# Responses about one certificate with an unknown signer that are kept, in addition to those with a known one.
MOST_UNPROVEN = 16

_Responses = tuple[OCSPResponse, ...]
_BySerial = Mapping[int, Mapping[CertID, _Responses]]


class OCSPStore:
    """The available OCSP responses (RFC 6960): evidence about peers, or our own staples. Added ones are used at once.

    responses: the first ones.

    They are in a dictionary that is replaced as a whole, so that handshakes continue while responses are renewed. One
    thread at a time may renew them. `generation` rises with every new response.
    """

    def __init__(self, responses: Iterable[OCSPResponse] = ()) -> None:
        self.generation = 0
        self._time: datetime | None = None
        self._by_serial: _BySerial = {}
        held: dict[int, dict[CertID, list[OCSPResponse]]] = {}
        given = several("responses", responses, "OCSP responses", OCSPResponse)
        for response in {each.der: each for each in given}.values():
            for named in response.named:
                held.setdefault(named.serial, {}).setdefault(named, []).append(response)
            self.generation += 1
        self._by_serial = {
            serial: {named: tuple(each) for named, each in group.items()} for serial, group in held.items()
        }

    @classmethod
    def from_files(cls, *paths: files.FilePath) -> OCSPStore:
        """Read responses from files of DER, or PEM (any number in each). Raises ConfigError."""
        return cls([each for path in paths for each in responses_in(files.content(path), str(path))])

    def add(self, response: OCSPResponse, at: datetime | None = None) -> None:
        """Add a response. It replaces older ones whose signer is known to be authorised by the same CA.

        at: the time, by default that of the last verification; a response that is not yet valid replaces nothing.
        """
        self._time = at or self._time
        changed = dict(self._by_serial)
        is_new = False
        for named in response.named:
            group = dict(changed.get(named.serial, {}))
            held = group.get(named, ())
            if any(each.der == response.der for each in held):
                continue
            self._find_signer(response, chain.from_iterable(group.values()))
            group[named] = _bounded(self._current([*held, response], named))
            is_new = is_new or group[named] != held
            changed[named.serial] = group
        self._by_serial = changed
        self.generation += is_new

    def _find_signer(self, response: OCSPResponse, held: Iterable[OCSPResponse]) -> None:
        """Find out whether the signer of a response is authorised by a CA that has authorised those of others."""
        known = {
            each.authorised_by.key_digest: each.authorised_by
            for each in held
            if each.authorised_by is not None
        }
        for issuer in known.values():
            if response.authorised_by is None and self._time is not None:
                with suppress(OutOfWork):
                    response.signer(issuer, self._time)

    def _current(self, responses: Sequence[OCSPResponse], named: CertID) -> list[OCSPResponse]:
        """Return the responses with a CertID without those that are superseded."""
        return [
            each for each in responses if not any(self._supersedes(new, each, named) for new in responses)
        ]

    def _supersedes(self, new: OCSPResponse, old: OCSPResponse, named: CertID) -> bool:
        """Whether one CA authorised both signers, and the new response is later, valid, and ends no revocation."""
        return (
            old.authorised_by is not None
            and new.authorised_by is not None
            and old.authorised_by.key_digest == new.authorised_by.key_digest
            and self._time is not None
            and old.age(named) < new.age(named) <= self._time
            and (new.revokes(named) or not old.revokes(named))
        )

    def of(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate, at: datetime | None = None
    ) -> _Responses:
        """Return the responses about a certificate of an issuer, the newest first.

        at: the time of the verification.
        """
        self._time = at or self._time
        group = self._by_serial.get(serial_number(certificate), {})
        if not group:
            return ()
        hash_names = {named.hash_name for named in group}
        found: dict[bytes, tuple[datetime, OCSPResponse]] = {}
        for named in cert_ids_of(certificate, issuer, hash_names):
            for each in group.get(named, ()):
                found[each.der] = each.age(named), each
        newest = sorted(found.values(), key=lambda each: each[0], reverse=True)
        return tuple(each for _, each in newest)

    def speaks_of(self, certificate: ParsedCertificate) -> bool:
        """Whether there is a response about a certificate, compared without the key of its issuer."""
        return any(True for _ in self._about(certificate))

    def staples(self, certificates: Sequence[x509.Certificate], at: datetime) -> tuple[bytes | None, ...]:
        """Return the OCSP response to staple for each certificate of our own chain, None where there is no valid one.

        certificates: the chain, leaf first.  at: the time.
        """
        return tuple(self._staple(each, at) for each in certificates)

    def _staple(self, certificate: x509.Certificate, at: datetime) -> bytes | None:
        # For a negative serial number `cryptography` warns each time.
        if attempt("serialNumber", lambda: certificate.serial_number) not in self._by_serial:
            return None
        holding = [
            (response.age(named), response.der)
            for named, response in self._about(ParsedCertificate(encoded(certificate)))
            if all(
                each.untimeliness(at, timedelta(0), MAX_AGE) is None for each in response.responses_to(named)
            )
        ]
        return max(holding)[1] if holding else None

    def _about(self, certificate: ParsedCertificate) -> Iterator[tuple[CertID, OCSPResponse]]:
        for named, responses in self._by_serial.get(serial_number(certificate), {}).items():
            if named.name_hash == named.digest(certificate.issuer):
                yield from ((named, each) for each in responses)

    def __iter__(self) -> Iterator[OCSPResponse]:
        groups = (each for group in self._by_serial.values() for each in group.values())
        yield from {each.der: each for responses in groups for each in responses}.values()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<OCSPStore of {len(self)} responses>"


def _bounded(responses: Sequence[OCSPResponse]) -> _Responses:
    """Return the responses with a CertID, without those with an unknown signer that are too many.

    First those that were checked for an issuer in vain are dropped. The first and the last that were added stay.
    """
    unproven = [each for each in responses if each.authorised_by is None][1:-1]
    order = [each for each in unproven if each.was_refused] + [
        each for each in unproven if not each.was_refused
    ]
    gone = {id(each) for each in order[: max(len(unproven) + 2 - MOST_UNPROVEN, 0)]}
    return tuple(each for each in responses if id(each) not in gone)
