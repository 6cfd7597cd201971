"""What an authority cannot do, by kind: programs match on the type, people read the text.

Where a text says nothing else, nothing was issued, revoked or changed. A value that is wrong before anything is
opened, such as the address of a key, is a `ConfigError`; so is a missing passphrase, `trust.parsing.PassphraseNeeded`.
"""

from __future__ import annotations

from bothways.errors import TLSError


class AuthorityError(TLSError):
    """Base of what an authority cannot do."""


# -- what cannot be opened or written -----------------------------------------------------------------------


class FileUnusable(AuthorityError):
    """A file or directory is missing, damaged, or cannot be read or written."""


class AlreadyExists(AuthorityError):
    """An authority is to be made where one, or something else, is already."""


class RegisterUnusable(AuthorityError):
    """A database holds no register, none of this authority, or one that a later version wrote."""


class DatabaseUnavailable(AuthorityError):
    """The database of a register cannot be reached, refused what was asked, or was lost; nothing was changed."""


class DatabaseBusy(DatabaseUnavailable):
    """Other issuers hold the register for too long; the same may be tried again."""


class OutcomeUnknown(DatabaseUnavailable):
    """The database was lost while it committed: nobody knows whether it did; the register says it later."""


class TokenUnavailable(AuthorityError):
    """A token, its driver or the key on it cannot be used."""


class PinNeeded(TokenUnavailable):
    """A token needs its PIN, and none was given."""


class PinWrong(TokenUnavailable):
    """A token refused a PIN, or is locked after too many wrong ones."""


# -- what is not issued ----------------------------------------------------------------------------------------


class RequestRefused(AuthorityError):
    """A signing request cannot be read, does not prove its key, or asks for what no profile gives."""


class NamesRefused(AuthorityError):
    """Names or constraints that no certificate of that profile can carry."""


class NotAcceptable(AuthorityError):
    """What would be issued is beyond what this authority may issue: nobody would accept it."""


class AuthorityExpired(AuthorityError):
    """The authority's own certificate has ended, so that nothing can be issued under it."""


class ClockSetBack(AuthorityError):
    """The clock shows a time before the authority began, or before its last CRL."""


# -- certificates and CRLs of the register ---------------------------------------------------------------


class NotIssuedHere(AuthorityError):
    """No certificate with that serial number was issued by this authority."""


class AlreadyRevoked(AuthorityError):
    """A certificate is revoked already."""


class NotOnHold(AuthorityError):
    """A certificate that is not revoked for certificateHold cannot be released."""


class NotRenewable(AuthorityError):
    """A certificate is revoked, has ended, or was issued elsewhere: another is to be issued."""


class NoBaseCRL(AuthorityError):
    """There is no CRL yet that a delta CRL could amend."""


class AuditFailed(AuthorityError):
    """The audit log, or what the register says, was altered."""


# -- what comes from elsewhere -----------------------------------------------------------------------------


class ImportRefused(AuthorityError):
    """An authority, a certificate or a CRL from elsewhere that cannot go on here."""
