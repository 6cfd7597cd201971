"""Pre-shared keys that were agreed on outside of TLS: whom each stands for, and the verification of a peer by them.

Each belongs to exactly one client and one server (RFC 9257 4). What it stands for is said by us, never by the peer; it
has no issuer, no end and no revocation, and is accepted for as long as it stays in its set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from bothways.arguments import several
from bothways.errors import ConfigError, UnusableFile
from bothways.faults import Fault, Reason, shown
from bothways.roles import Role
from bothways.trust import files
from bothways.trust.keys.key_verdicts import KeyVerdicts
from bothways.trust.keys.psk_file import read_entries
from bothways.trust.path.name_matching import ServerName, server_name
from bothways.trust.verdict import SharedKey, Verdict
from bothways.trust.watched import Renewed, Replaceable

HASHES = ("SHA-256", "SHA-384")
# In bytes: RFC 9257 6 requires 128 bits; the upper limits are our own.
SMALLEST_SECRET, LARGEST_SECRET = 16, 512
IDENTITY_LIMIT = 1024
CONTEXT_LIMIT = 1024
NAME_LIMIT = 255
MOST_KEYS = 10_000
_FEWEST_VALUES = 8
_VERDICTS = KeyVerdicts("a pre-shared key", "it is removed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ExternalPSK:
    """A secret that we share with one peer, and that was agreed on outside of TLS (RFC 9258). Raises ConfigError.

    identity: the name of the key that a client sends; text is UTF-8. Without an encrypted ClientHello it is seen on
    the network, so it should say nothing about the client.  secret: random bytes, at least 16; never a password,
    since an observer of a handshake can test guesses.
    own, peer: the names of both sides. `peer` is the party that the key authenticates: a server by its DNS name or IP
    address. Both sides need the same two names, each from its own point of view: they and the roles are part of the
    imported key, so that a ClientHello that is sent back to its sender, or to somebody else, does not fit (RFC 9258 B).
    hash: "SHA-256" or "SHA-384", with which the key was agreed on.  context: bytes that take the place of both names
    in the imported key, where another implementation needs them or the key was derived from something (RFC 9258 5.1).
    They should name both roles.
    insecure_without_importer: use the secret directly, for peers without the importer. It then fits with both roles,
    so use another key for each direction; the secret must not be used for anything else.
    """

    identity: bytes | str
    secret: bytes
    own: str
    peer: str
    hash: str = "SHA-256"
    context: bytes | None = None
    insecure_without_importer: bool = False
    octets: bytes = field(init=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        given: object = self.identity
        identity = given.encode() if isinstance(given, str) else given
        if not isinstance(identity, bytes) or not 0 < len(identity) <= IDENTITY_LIMIT:
            raise ConfigError(f"identity: expected 1 to {IDENTITY_LIMIT} bytes, or a text")
        _check_secret(self.secret)
        names: tuple[tuple[str, object], ...] = (("own", self.own), ("peer", self.peer))
        for what, name in names:
            if (
                not isinstance(name, str)
                or not name.isprintable()
                or not 0 < len(name.encode()) <= NAME_LIMIT
            ):
                raise ConfigError(f"{what}: expected a printable name of at most {NAME_LIMIT} bytes")
        if self.own == self.peer:
            raise ConfigError(f"peer: {shown(self.peer)} is our own name too; a key is shared with one peer")
        if self.hash not in HASHES:
            raise ConfigError(f"hash: {shown(self.hash)} is neither {' nor '.join(HASHES)}")
        context: object = self.context
        if context is not None:
            if not isinstance(context, bytes) or len(context) > CONTEXT_LIMIT:
                raise ConfigError(f"context: expected at most {CONTEXT_LIMIT} bytes, or None for both names")
            if self.insecure_without_importer:
                raise ConfigError("context: without the importer it has no effect")
        object.__setattr__(self, "octets", identity)
        object.__setattr__(self, "digest", self._digest(identity))

    @property
    def label(self) -> str:
        """The identity for a person, in printable ASCII."""
        return shown(self.octets.decode("utf-8", "backslashreplace"))

    def context_of(self, role: Role) -> bytes:
        """Return the context of the imported key, where we have this role (RFC 9258 5.1, B)."""
        if self.context is not None:
            return self.context
        names = (self.own, self.peer) if role is Role.CLIENT else (self.peer, self.own)
        return b"".join(bytes((len(each),)) + each for each in (name.encode() for name in names))

    def _digest(self, identity: bytes) -> bytes:
        """Return a digest by which the same key is found again in another set, also in another process."""
        context = self.context_of(Role.CLIENT)
        plain = b"1" if self.insecure_without_importer else b"0"
        parts = (identity, self.own.encode(), self.peer.encode(), self.hash.encode(), context, plain)
        whole = sha256(b"bothways external PSK")
        for each in (*parts, self.secret):
            whole.update(len(each).to_bytes(4, "big") + each)
        return whole.digest()

    def __repr__(self) -> str:
        return f"<ExternalPSK {self.label} of {shown(self.peer)}>"


class ExternalPSKs:
    """A set of external pre-shared keys, immutable: a key for each peer, or several while one replaces another.

    Raises ConfigError where two keys have one identity or one secret.
    """

    __slots__ = ("_digests", "_keys", "_servers")

    generation = 0  # of a watched set it rises with each change

    def __init__(self, keys: Iterable[ExternalPSK]) -> None:
        """Take the keys. Raises ConfigError for one that occurs twice, and for a secret of two keys.

        keys: those with the importer, and those without, each have their identities for themselves.
        """
        found: dict[tuple[bool, bytes], ExternalPSK] = {}
        secrets: set[bytes] = set()
        for each in several("keys", keys, "external PSKs", ExternalPSK):
            place = (each.insecure_without_importer, each.octets)
            if place in found:
                raise ConfigError(f"the identity {each.label} occurs twice")
            secret = sha256(each.secret).digest()
            if secret in secrets:
                raise ConfigError(
                    f"the key {each.label} has the secret of another one; each pair of peers has"
                    " its own, and one with the importer is used for nothing else (RFC 9257 4, RFC 9258 4)"
                )
            found[place] = each
            secrets.add(secret)
            if len(found) > MOST_KEYS:
                raise ConfigError(f"more than {MOST_KEYS} keys")
        self._keys = found
        self._digests = frozenset(each.digest for each in found.values())
        self._servers: dict[ServerName, list[ExternalPSK]] = {}
        for each in found.values():
            with suppress(ConfigError):  # of a server's own set, whose peers are no servers
                self._servers.setdefault(server_name(each.peer), []).append(each)

    @classmethod
    def from_file(cls, path: files.FilePath) -> ExternalPSKs:
        """Read keys from a TOML file, which contains secrets. Raises ConfigError.

        path: of a file with `own`, our name, and a table `[[key]]` for each key, with `identity`, `secret` (in
        hexadecimal) and `peer`, and where needed with the other fields of `ExternalPSK`.
        """
        return psks_in(files.content(path), str(path))

    @classmethod
    def watched(cls, path: files.FilePath) -> WatchedExternalPSKs:
        """Read keys from a file as `from_file` does, and again whenever it changes. Raises ConfigError.

        Connections that begin afterwards use the new keys, and open ones end, where a configuration has
        `judge_again="change"`, if their key is removed or changed. A file that cannot be decoded completely changes
        nothing, and the log says why; a later file without a key accepts none.
        """

        def make(contents: Sequence[bytes]) -> ExternalPSKs:
            return _read(contents[0], str(path))

        renewed = Renewed((path,), make)
        renewed.value.some(str(path))
        return WatchedExternalPSKs(renewed)

    @property
    def current(self) -> ExternalPSKs:
        """The current keys: these, or of a watched set those that its file contains now."""
        return self

    @property
    def servers(self) -> dict[ServerName, int]:
        """How many keys stand for each server; a peer whose name cannot be that of a server is not counted."""
        return {server: len(keys) for server, keys in self.current._servers.items()}

    def named(self, identity: bytes, *, imported: bool) -> ExternalPSK | None:
        """Return the key with an identity. imported: of those with the importer, or of those without."""
        return self.current._keys.get((not imported, identity))

    def of_server(self, target: ServerName) -> tuple[ExternalPSK, ...]:
        """Return the keys whose peer is a server."""
        return tuple(self.current._servers.get(target, ()))

    def has(self, digest: bytes) -> bool:
        """Whether a key with this digest is in the set."""
        return digest in self.current._digests

    def some(self, source: str) -> ExternalPSKs:
        """Return the set. Raises ConfigError if it is empty. source: where it comes from."""
        if not self._keys:
            raise UnusableFile(f"{source}: it contains no key; expected a table [[key]] for each")
        return self

    def __len__(self) -> int:
        return len(self.current._keys)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"


def psks_in(data: bytes, source: str, *, may_be_empty: bool = False) -> ExternalPSKs:
    """Return the keys in the content of a file, as `ExternalPSKs.from_file` does, or `NO_KEYS`. Raises ConfigError."""
    made = _read(data, source)
    return NO_KEYS if may_be_empty and not len(made) else made.some(source)


class WatchedExternalPSKs(Replaceable[ExternalPSKs], ExternalPSKs):  # type: ignore[override]  # its generation is not fixed
    """The keys in a file that may change. Made by `ExternalPSKs.watched`."""


NO_KEYS = ExternalPSKs(())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PskRequest:
    """An external pre-shared key that the peer has shown to have, and the set that it must be in.

    It has the interface of a `VerificationRequest`, and does not contain the secret.  digest: of the key.
    """

    identity: bytes
    name: str
    digest: bytes = field(repr=False)
    keys: ExternalPSKs

    # What a chain has and a key has not, as in a `VerificationRequest`.
    leaf = revocation = proved_at = None
    chain = staples = ()
    may_fetch = False

    @property
    def generation(self) -> int:
        """Rises whenever the keys change, so that the verdict may change."""
        return self.keys.generation

    def verify(self, at: datetime, fetched: object = None, *, defer: bool = False) -> Verdict:
        """Return the verdict by the keys of this moment; the arguments matter for certificates only."""
        del at, fetched, defer
        if not self.keys.has(self.digest):
            return _VERDICTS.refused(Reason(Fault.PSK_REMOVED, facts={"name": self.name}))
        shared = SharedKey(self.identity, self.name)
        return _VERDICTS.trusted(shared, f"it has the pre-shared key of {shown(self.name)}")


def request_for_key(key: ExternalPSK, keys: ExternalPSKs) -> PskRequest:
    """Return the verification request for a peer that has a key of this set."""
    return PskRequest(identity=key.octets, name=key.peer, digest=key.digest, keys=keys)


def _check_secret(secret: object) -> None:
    if not isinstance(secret, bytes) or not SMALLEST_SECRET <= len(secret) <= LARGEST_SECRET:
        raise ConfigError(
            f"secret: expected {SMALLEST_SECRET} to {LARGEST_SECRET} random bytes; `openssl rand -hex 32` prints some"
        )
    if all(0x20 <= each < 0x7F for each in secret):
        raise ConfigError(
            "secret: this is text and not random bytes. Decode it if it is hexadecimal or Base64; a password can be "
            "guessed by whoever sees one handshake (RFC 9257 6)"
        )
    if len(set(secret)) < _FEWEST_VALUES:
        raise ConfigError("secret: these are not random bytes; `openssl rand -hex 32` prints some")


def _read(data: bytes, source: str) -> ExternalPSKs:
    keys = []
    for each in read_entries(data, source):
        try:
            keys.append(ExternalPSK(**each.fields))
        except ConfigError as error:
            raise UnusableFile(f"{each.where}: {error}") from None
    try:
        return ExternalPSKs(keys)
    except ConfigError as error:
        raise UnusableFile(f"{source}: {error}") from None
