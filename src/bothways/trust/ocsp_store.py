"""The OCSP responses at hand: evidence about peers, or staples of our own.

Nothing takes the place of a response but a later one by leave of the same issuer, which judgements find out; what
nobody is known to have signed lies beside it, bounded in number for each certificate that is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain

from cryptography import x509

from bothways.trust import files
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.ocsp import (
    MAX_AGE,
    OCSPResponse,
    responses_in,
)
from bothways.trust.ocsp_request import CertID, names_of_certificate, serial_number
from bothways.trust.parsing import attempt, encoded
from bothways.trust.work import OutOfWork

# Responses about one certificate of which nobody knows who signed them; they lie beside those of which it is known.
MOST_UNPROVEN = 16

_Responses = tuple[OCSPResponse, ...]
_BySerial = Mapping[int, Mapping[CertID, _Responses]]


class OCSPStore:
    """The responses at hand: evidence about peers, or staples of our own; what is added counts at once.

    They lie in a dictionary that is replaced whole, so that handshakes go on while responses are renewed;
    one thread at a time renews them. `generation` rises with every response that is new.
    """

    def __init__(self, responses: Iterable[OCSPResponse] = ()) -> None:
        self.generation = 0
        self._time: datetime | None = None
        self._by_serial: _BySerial = {}
        held: dict[int, dict[CertID, list[OCSPResponse]]] = {}
        for response in {each.der: each for each in responses}.values():
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
        """Take a response in; it takes the place of older ones that are known to be by leave of the same issuer.

        at: the time, by default that of the last judgement; what is dated later takes no place yet.
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
        """Find out whether a response is by leave of an issuer who is known to have given it for others."""
        known = {each.leave.key_digest: each.leave for each in held if each.leave is not None}
        for issuer in known.values():
            if response.leave is None and self._time is not None:
                with suppress(OutOfWork):
                    response.signer(issuer, self._time)

    def _current(self, responses: Sequence[OCSPResponse], named: CertID) -> list[OCSPResponse]:
        """Return the responses about one certificate without those that another supersedes."""
        return [
            each for each in responses if not any(self._supersedes(new, each, named) for new in responses)
        ]

    def _supersedes(self, new: OCSPResponse, old: OCSPResponse, named: CertID) -> bool:
        """Whether both are by leave of one issuer, and the new one is later, not from the future, and no milder."""
        return (
            old.leave is not None
            and new.leave is not None
            and old.leave.key_digest == new.leave.key_digest
            and self._time is not None
            and old.age(named) < new.age(named) <= self._time
            and (new.revokes(named) or not old.revokes(named))
        )

    def of(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate, at: datetime | None = None
    ) -> _Responses:
        """Return the responses that speak of a certificate as that issuer issued it, the newest first.

        at: the time of the judgement that asks.
        """
        self._time = at or self._time
        group = self._by_serial.get(serial_number(certificate), {})
        if not group:
            return ()
        hash_names = {named.hash_name for named in group}
        found: dict[bytes, tuple[datetime, OCSPResponse]] = {}
        for named in names_of_certificate(certificate, issuer, hash_names):
            for each in group.get(named, ()):
                found[each.der] = each.age(named), each
        newest = sorted(found.values(), key=lambda each: each[0], reverse=True)
        return tuple(each for _, each in newest)

    def speaks_of(self, certificate: ParsedCertificate) -> bool:
        """Whether there is a response about a certificate, as far as that is seen without its issuer."""
        return any(True for _ in self._about(certificate))

    def staples(self, certificates: Sequence[x509.Certificate], at: datetime) -> tuple[bytes | None, ...]:
        """Return the OCSP response to staple for each certificate of our own chain, None where there is no valid one.

        certificates: the chain, leaf first.  at: the time.
        """
        return tuple(self._staple(each, at) for each in certificates)

    def _staple(self, certificate: x509.Certificate, at: datetime) -> bytes | None:
        # A negative one is warned of whenever it is read.
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
    """Return the responses about one certificate without those that are too many, and unproven.

    Those that were held against an issuer in vain go first. The first and the last that came stay.
    """
    unproven = [each for each in responses if each.leave is None][1:-1]
    order = [each for each in unproven if each.was_refused] + [
        each for each in unproven if not each.was_refused
    ]
    gone = {id(each) for each in order[: max(len(unproven) + 2 - MOST_UNPROVEN, 0)]}
    return tuple(each for each in responses if id(each) not in gone)
