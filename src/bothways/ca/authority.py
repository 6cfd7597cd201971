"""An authority in memory: its certificate, its key, and the certificates that it signs.

It remembers nothing of what it issued; the register does. Clock and entropy are injected, keys come from
`cryptography`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.ca import profiles
from bothways.ca.errors import AuthorityExpired, NotAcceptable
from bothways.ca.keys import KeyType, PrivateKey, PublicKey, SigningKey, new_key, private_pem
from bothways.ca.profiles import UNCONSTRAINED, Constraints, Holder, Profile
from bothways.ca.token_signing import sign_certificate
from bothways.errors import UsageError
from bothways.trust.credentials import Credentials
from bothways.trust.extensions import extension_of

BACKDATE = timedelta(hours=1)  # clocks of those who judge may run behind ours
SERIAL_BYTES = 16
P12_MLDSA = "nobody reads an ML-DSA key from PKCS#12 yet; hand it out as PEM"

Now = Callable[[], datetime]
Random = Callable[[int], bytes]


def utc_now() -> datetime:
    """The clock that an authority uses when it is given none."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where certificates say that revocation lists, OCSP answers and the issuer's certificate are found."""

    crl: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()


NO_ADDRESSES = Addresses()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was issued, the chain that its holder sends, and the key if it was made here."""

    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    key: PrivateKey | None = field(repr=False)

    @property
    def serial(self) -> int:
        """The serial number."""
        return self.certificate.serial_number

    @property
    def chain_pem(self) -> bytes:
        """The leaf, then the intermediates, in PEM; no root and no text between."""
        return pem((self.certificate, *self.intermediates))

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS#8 in PEM."""
        return private_pem(self._own_key())

    @property
    def credentials(self) -> Credentials:
        """Chain and key as configurations take them."""
        return Credentials.from_parts((self.certificate, *self.intermediates), self._own_key())

    def pkcs12(self, password: bytes, name: str = "") -> bytes:
        """Put key and chain into a PKCS#12 file, as browsers and Java import it."""
        key = self._own_key()
        if isinstance(key, mldsa.MLDSA65PrivateKey):
            raise UsageError(P12_MLDSA)
        return pkcs12.serialize_key_and_certificates(
            name.encode() or None,
            key,
            self.certificate,
            list(self.intermediates),
            BestAvailableEncryption(password),
        )

    def _own_key(self) -> PrivateKey:
        if self.key is None:
            raise UsageError("the key of this certificate was never here: its holder made it")
        return self.key


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs: a root, or an intermediate under one.

    Attributes: `certificate`; `key`; `parents` (the certificates above it, nearest first, the root last;
    empty for a root); `addresses` that it puts into what it issues.
    """

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)
    parents: tuple[x509.Certificate, ...] = ()
    addresses: Addresses = NO_ADDRESSES
    now: Now = field(default=utc_now, repr=False)
    random: Random = field(default=os.urandom, repr=False)

    @classmethod
    def create(
        cls,
        name: str,
        key_type: KeyType = KeyType.P256,
        *,
        key: SigningKey | None = None,
        now: Now = utc_now,
        random: Random = os.urandom,
        lifetime: timedelta = profiles.ROOT_LIFETIME,
        constraints: Constraints = UNCONSTRAINED,
        addresses: Addresses = NO_ADDRESSES,
    ) -> Authority:
        """Make a root: a key and a certificate that it signs itself.

        name: its common name. key: the one to take instead of a new one. now: a clock that tells times with a
        zone. random: gives n random bytes, for serials. lifetime: how long it is valid. constraints: names that it
        may vouch for. addresses: put into what it issues.
        """
        key = key or new_key(key_type)
        subject = profiles.authority_name(name)
        start = now()
        builder = (
            _builder(subject, subject, _public(key), random, start - BACKDATE, start + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(profiles.key_usage(Profile.SUB_CA, _public(key)), critical=True)
            .add_extension(_subject_key_identifier(_public(key)), critical=False)
        )
        certificate = sign_certificate(_constrained(builder, constraints), key)
        return cls(certificate, key, (), addresses, now, random)

    def intermediate(
        self,
        name: str,
        key_type: KeyType = KeyType.P256,
        *,
        lifetime: timedelta = profiles.LIFETIMES[Profile.SUB_CA],
        path_length: int | None = 0,
        constraints: Constraints = UNCONSTRAINED,
        addresses: Addresses = NO_ADDRESSES,
    ) -> Authority:
        """Make an authority under this one.

        path_length: how many more authorities may stand below it; None for any. The rest is as for `create`.
        """
        key = new_key(key_type)
        certificate = self.sign_authority(
            name, _public(key), lifetime=lifetime, path_length=path_length, constraints=constraints
        )
        parents = (self.certificate, *self.parents)
        return Authority(certificate, key, parents, addresses, self.now, self.random)

    def issue(
        self,
        profile: Profile,
        common_name: str | None = None,
        *,
        dns: Iterable[str] = (),
        ip: Iterable[str] = (),
        uri: Iterable[str] = (),
        email: Iterable[str] = (),
        key_type: KeyType = KeyType.P256,
        lifetime: timedelta | None = None,
        at: datetime | None = None,
    ) -> Issued:
        """Make a key and a certificate for it.

        profile: what it is for. The names are those of `Holder`. lifetime: from `at`, the profile's own if
        left out, never beyond this authority's. at: the moment of issue if it is not now. Raises AuthorityError
        for names that cannot be certified.
        """
        holder = Holder(common_name, tuple(dns), tuple(ip), tuple(uri), tuple(email))
        profiles.check_holder(profile, holder)
        key = new_key(key_type)
        certificate = self.sign(profile, holder, _public(key), lifetime=lifetime, at=at)
        return Issued(certificate, self.chain, key)

    @property
    def key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """What its certificates and lists call its key: as its own certificate does, if it does."""
        own = extension_of(self.certificate, x509.SubjectKeyIdentifier)
        if own is None:
            own = _subject_key_identifier(self.key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What stands between a leaf and the root: this authority, if it is no root, and those between."""
        return (self.certificate, *self.parents)[:-1]

    @property
    def root(self) -> x509.Certificate:
        """The certificate that others take as their anchor."""
        return (self.certificate, *self.parents)[-1]

    @property
    def root_pem(self) -> bytes:
        """The root's certificate in PEM."""
        return pem((self.root,))

    def sign(
        self,
        profile: Profile,
        holder: Holder,
        public_key: PublicKey,
        *,
        lifetime: timedelta | None = None,
        at: datetime | None = None,
        serial: int | None = None,
    ) -> x509.Certificate:
        """Sign a leaf certificate for a key that may have been made elsewhere; arguments as for `issue`."""
        if profile is Profile.SUB_CA:
            raise UsageError("an authority is made with `intermediate` or `sign_authority`")
        profiles.check_holder(profile, holder)
        start = at or self.now()
        end = start + (profiles.LIFETIMES[profile] if lifetime is None else lifetime)
        subject, names = profiles.subject(holder), profiles.alternative_names(holder)
        builder = self._signed_builder(subject, public_key, start, end, serial)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(profiles.key_usage(profile, public_key), critical=True)
        usages = profiles.EXTENDED_USAGES[profile]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            critical = not list(subject)  # RFC 5280 4.2.1.6
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=critical)
        if profile is Profile.OCSP:
            # Its life is short, and who asks for its status would have to ask itself (RFC 6960 4.2.2.2.1).
            return sign_certificate(builder.add_extension(x509.OCSPNoCheck(), critical=False), self.key)
        return sign_certificate(self._with_addresses(builder), self.key)

    def sign_authority(
        self,
        name: str,
        public_key: PublicKey,
        *,
        lifetime: timedelta = profiles.LIFETIMES[Profile.SUB_CA],
        path_length: int | None = 0,
        constraints: Constraints = UNCONSTRAINED,
        serial: int | None = None,
    ) -> x509.Certificate:
        """Sign the certificate of an authority below; arguments as for `intermediate`."""
        self._check_room_below(path_length)
        start = self.now()
        builder = self._signed_builder(
            profiles.authority_name(name), public_key, start, start + lifetime, serial
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
        builder = builder.add_extension(profiles.key_usage(Profile.SUB_CA, public_key), critical=True)
        builder = self._with_addresses(_constrained(builder, constraints))
        return sign_certificate(builder, self.key)

    def _check_room_below(self, path_length: int | None) -> None:
        basic = extension_of(self.certificate, x509.BasicConstraints) or x509.BasicConstraints(True, None)
        if basic.path_length is not None and (path_length is None or path_length >= basic.path_length):
            raise NotAcceptable(
                f"this authority may have {basic.path_length} authorities below it, "
                f"so none with a path length of {'any' if path_length is None else path_length}"
            )

    def _signed_builder(
        self, subject: x509.Name, public_key: PublicKey, start: datetime, end: datetime, serial: int | None
    ) -> x509.CertificateBuilder:
        """Begin a certificate that this authority signs, valid no longer than the authority itself."""
        end = min(end, self.certificate.not_valid_after_utc)
        if end <= start - BACKDATE:
            raise AuthorityExpired(
                "the certificate would end before it begins: is the authority itself expired?"
            )
        return (
            _builder(
                self.certificate.subject, subject, public_key, self.random, start - BACKDATE, end, serial
            )
            .add_extension(_subject_key_identifier(public_key), critical=False)
            .add_extension(self.key_identifier, critical=False)
        )

    def _with_addresses(self, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        oid = AuthorityInformationAccessOID
        access = [
            *(x509.AccessDescription(oid.OCSP, _address(url)) for url in self.addresses.ocsp),
            *(x509.AccessDescription(oid.CA_ISSUERS, _address(url)) for url in self.addresses.issuer),
        ]
        if access:
            builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
        if self.addresses.crl:
            points = [x509.DistributionPoint([_address(url)], None, None, None) for url in self.addresses.crl]
            builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
        return builder


def new_serial(random: Random) -> int:
    """Draw a serial number of 128 random bits; positive, and never zero (RFC 5280 4.1.2.2)."""
    serial = 0
    while not serial:
        serial = int.from_bytes(random(SERIAL_BYTES))
    return serial


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Write certificates one after the other in PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: PublicKey,
    random: Random,
    start: datetime,
    end: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial or new_serial(random))
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _constrained(builder: x509.CertificateBuilder, constraints: Constraints) -> x509.CertificateBuilder:
    if constraints == UNCONSTRAINED:
        return builder
    return builder.add_extension(profiles.name_constraints(constraints), critical=True)


def _subject_key_identifier(public_key: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def _public(key: SigningKey) -> PublicKey:
    return key.public_key()


def _address(url: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(url)
