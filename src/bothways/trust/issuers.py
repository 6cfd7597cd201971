"""Which of several certificates of one name most likely issued another (RFC 5280 4.2.1.1, RFC 4158 3.5.12).

A key identifier proves nothing: it says whose signature is worth checking first, so that many issuers of one name
cost no more than one.
"""

from __future__ import annotations

from collections.abc import Sequence

from bothways.trust.certificate import ParsedCertificate


class Namesakes:
    """Certificates with the same subject, found by the name of their key or by who issued them."""

    def __init__(self) -> None:
        self.certificates: list[ParsedCertificate] = []
        self._by_key: dict[bytes, list[ParsedCertificate]] = {}
        self._by_serial: dict[tuple[bytes, bytes], list[ParsedCertificate]] = {}
        self._by_spki: dict[bytes, list[ParsedCertificate]] = {}
        self._without_key: list[ParsedCertificate] = []

    def add(self, certificate: ParsedCertificate) -> None:
        """Take a certificate."""
        self.certificates.append(certificate)
        key = certificate.subject_key_identifier
        (self._without_key if key is None else self._by_key.setdefault(key, [])).append(certificate)
        self._by_spki.setdefault(certificate.spki, []).append(certificate)
        self._by_serial.setdefault((certificate.normal_issuer, certificate.serial), []).append(certificate)

    def issuers_of(self, child: ParsedCertificate) -> Sequence[ParsedCertificate]:
        """Return those that may have issued `child`, the likeliest first.

        That are those whose key it names, then those that name none, then certificates of the same keys by
        another name. Where it names nobody that is here, all are returned: authorities have given keys new names.
        """
        if len(self.certificates) == 1 or not (named := self._named_by(child)):
            return self.certificates
        keys = {each.spki for each in named}
        others = [each for key in keys for each in self._by_spki[key]]
        return list(dict.fromkeys([*named, *self._without_key, *others]))

    def _named_by(self, child: ParsedCertificate) -> Sequence[ParsedCertificate]:
        key, certificate = child.authority_key
        if key is not None:
            return self._by_key.get(key, ())
        return () if certificate is None else self._by_serial.get(certificate, ())


def likeliest_first(
    child: ParsedCertificate, candidates: Sequence[ParsedCertificate]
) -> Sequence[ParsedCertificate]:
    """Return certificates that bear the name of the child's issuer in the order of `Namesakes.issuers_of`."""
    if len(candidates) < 2:
        return candidates
    namesakes = Namesakes()
    for each in candidates:
        namesakes.add(each)
    return namesakes.issuers_of(child)
