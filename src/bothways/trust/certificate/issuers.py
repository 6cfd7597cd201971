"""Which of several certificates with one subject most likely issued another (RFC 5280 4.2.1.1, RFC 4158 3.5.12).

A key identifier proves nothing. It only decides which signature is checked first, so that many issuers with one name
cost no more than one.
"""

from __future__ import annotations

from collections.abc import Sequence

from bothways.trust.certificate.parsed import ParsedCertificate


class SameSubject:
    """Certificates with the same subject, indexed by key identifier, by issuer and serial number, and by key."""

    def __init__(self) -> None:
        self.certificates: list[ParsedCertificate] = []
        self._by_key: dict[bytes, list[ParsedCertificate]] = {}
        self._by_serial: dict[tuple[bytes, bytes], list[ParsedCertificate]] = {}
        self._by_spki: dict[bytes, list[ParsedCertificate]] = {}
        self._without_key: list[ParsedCertificate] = []

    def add(self, certificate: ParsedCertificate) -> None:
        """Add a certificate."""
        self.certificates.append(certificate)
        key = certificate.subject_key_identifier
        (self._without_key if key is None else self._by_key.setdefault(key, [])).append(certificate)
        self._by_spki.setdefault(certificate.spki, []).append(certificate)
        self._by_serial.setdefault((certificate.normal_issuer, certificate.serial), []).append(certificate)

    def issuers_of(self, child: ParsedCertificate) -> Sequence[ParsedCertificate]:
        """Return the certificates that may have issued `child`, the most likely first.

        First those that its authorityKeyIdentifier names, then those without a key identifier, then others with the
        same keys. If it names none of them, all are returned: some CAs have changed their key identifiers.
        """
        if len(self.certificates) == 1 or not (named := self._named_by(child)):
            return self.certificates
        keys = {each.spki for each in named}
        same_key = [each for key in keys for each in self._by_spki[key]]
        return list(dict.fromkeys([*named, *self._without_key, *same_key]))

    def _named_by(self, child: ParsedCertificate) -> Sequence[ParsedCertificate]:
        key, certificate = child.authority_key
        if key is not None:
            return self._by_key.get(key, ())
        return () if certificate is None else self._by_serial.get(certificate, ())


def most_likely_first(
    child: ParsedCertificate, candidates: Sequence[ParsedCertificate]
) -> Sequence[ParsedCertificate]:
    """Return `candidates`, whose subject is the issuer of `child`, in the order of `SameSubject.issuers_of`."""
    if len(candidates) < 2:
        return candidates
    same_subject = SameSubject()
    for each in candidates:
        same_subject.add(each)
    return same_subject.issuers_of(child)
