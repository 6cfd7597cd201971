"""Errors of a CA, one type for each kind: programs match on the type, people read the text.

Unless the text says otherwise, nothing was issued, revoked or changed. An invalid argument, such as a malformed
PKCS#11 URI, is a `ConfigError`; so is a missing passphrase, `trust.decoding.parsing.PassphraseNeeded`.
"""

from __future__ import annotations

from bothways.errors import TLSError


class AuthorityError(TLSError):
    """Base class of the errors of a CA."""


# -- what cannot be opened or written -----------------------------------------------------------------------


class FileUnusable(AuthorityError):
    """A file or directory is missing, damaged, or cannot be read or written."""


class AlreadyExists(AuthorityError):
    """The directory or the register that is to be created exists already."""


class RegisterUnusable(AuthorityError):
    """A database has no register, none of this CA, or one that a later version of this program wrote."""


class DatabaseUnavailable(AuthorityError):
    """The register's database is unavailable, refused a statement, or the connection to it was lost."""


class DatabaseBusy(DatabaseUnavailable):
    """Other issuers have locked the register for too long; the operation may be repeated."""


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost during the commit, so that its outcome is unknown; the register shows it later."""


class KeyUnavailable(AuthorityError):
    """The PKCS#11 token with the CA's key, its driver or the key in it cannot be used, or needs another PIN."""


# -- refused certificates ----------------------------------------------------------------------------------------


class RequestRefused(AuthorityError):
    """A certificate signing request is malformed, does not prove possession of its key, or asks for too much."""


class NamesRefused(AuthorityError):
    """Names or name constraints that a certificate of the profile cannot contain."""


class NotAcceptable(AuthorityError):
    """The certificate would violate the constraints of this CA, so that no relying party would accept it."""


class AuthorityExpired(AuthorityError):
    """The CA certificate has expired, so that nothing can be issued."""


class ClockSetBack(AuthorityError):
    """The clock shows a time before the notBefore of the CA certificate, or before its last CRL."""


# -- state of certificates and CRLs ---------------------------------------------------------------


class NotIssuedHere(AuthorityError):
    """This CA issued no certificate with that serial number."""


class AlreadyRevoked(AuthorityError):
    """The certificate is revoked already."""


class NotOnHold(AuthorityError):
    """The certificate is not revoked for certificateHold, so that it cannot be released."""


class NotRenewable(AuthorityError):
    """The certificate is revoked, has expired, or was issued elsewhere: a new one must be issued."""


class NoBaseCRL(AuthorityError):
    """There is no base CRL for a delta CRL yet."""


class AuditFailed(AuthorityError):
    """The audit log or the register was altered."""


# -- import -----------------------------------------------------------------------------


class ImportRefused(AuthorityError):
    """A CA, a certificate or a CRL that cannot be imported."""
