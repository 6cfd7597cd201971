"""The fields of a configuration about our identity and the trust in peers, checked before any connection.

Each function raises ConfigError for a value that cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bothways.arguments import several
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.roles import Version
from bothways.tls.crypto.signing import described, schemes_for
from bothways.tls.handshake.settings import Negotiation, PeerTrust
from bothways.trust.anchors import NO_ANCHORS, TrustStore, WatchedTrustStore
from bothways.trust.keys.external_psks import NO_KEYS, ExternalPSKs, WatchedExternalPSKs
from bothways.trust.keys.pins import PinnedKeys, WatchedPinnedKeys
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials, WatchedCredentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials
from bothways.trust.path.name_matching import ServerName
from bothways.trust.revocation import Revocation

# So many keys of one server a client offers, each for every hash.
KEYS_OFFERED = 4


def own_credentials(
    credentials: Credentials | Sequence[Credentials] | None, offer: Negotiation
) -> tuple[Credentials, ...]:
    """Return the credentials as a tuple; each must support a scheme in one of the versions. Raises ConfigError."""
    if credentials is None:
        return ()
    given = (credentials,) if isinstance(credentials, Credentials | str | bytes) else credentials
    found = several("credentials", given, "Credentials", Credentials)
    for each in found:
        if isinstance(each, WatchedCredentials):
            each.accept_only(partial(_check_schemes, offer=offer))
        else:
            _check_schemes(each, offer)
    return found


def _check_schemes(credentials: Credentials, offer: Negotiation) -> None:
    fitting = {
        scheme for version in offer.versions for scheme in schemes_for(credentials.certificate, version)
    }
    if not fitting & set(offer.schemes):
        kind = described(credentials.certificate.public_key())
        versions = " and ".join(f"TLS {Version(version).text}" for version in offer.versions)
        raise ConfigError(
            f"credentials: the key of {credentials.names.subject} is {kind}, and no signature scheme that is in use "
            f"fits it in {versions}; P-256 and RSA of 2048 bits fit nearly everywhere"
        )


def checked_staples(staples: object) -> OCSPStore | None:
    """Return the store of OCSP responses for our own certificates. Raises ConfigError."""
    if not isinstance(staples, OCSPStore | None):
        raise ConfigError("staples: expected an OCSPStore")
    return staples


def checked_anchors(
    what: str, anchors: object, pins: PinnedKeys | None = None, psks: ExternalPSKs | None = None
) -> TrustStore:
    """Return the trust anchors, of which there must be one unless there are keys of peers. Raises ConfigError."""
    if not isinstance(anchors, TrustStore) or (anchors is NO_ANCHORS and pins is None and psks is None):
        raise ConfigError(f"{what}: expected a TrustStore, since without anchors every peer would be refused")
    return anchors


def checked_pins(what: str, pins: object) -> PinnedKeys | None:
    """Return the raw public keys of peers that are trusted. Raises ConfigError."""
    if not isinstance(pins, PinnedKeys | None):
        raise ConfigError(f"{what}: expected PinnedKeys; a raw public key is never trusted without a pin")
    return pins


def checked_psks(psks: object, offer: Negotiation) -> ExternalPSKs | None:
    """Return the external PSKs of peers; one must fit a cipher suite of TLS 1.3. Raises ConfigError."""
    if not isinstance(psks, ExternalPSKs | None):
        raise ConfigError(f"psk_peers: expected ExternalPSKs, not {type(psks).__name__}")
    if psks is not None and Version.TLS13 not in offer.versions:
        raise ConfigError("psk_peers: external PSKs need TLS 1.3, which is not in `versions`")
    if psks is not None and psks is not NO_KEYS and not isinstance(psks, WatchedExternalPSKs):
        psks.some("psk_peers")
    return psks


def checked_server_psks(psks: object, offer: Negotiation) -> ExternalPSKs | None:
    """Return the external PSKs of servers, a few for each. Raises ConfigError."""
    keys = checked_psks(psks, offer)
    if keys is not None:
        most = max(keys.servers.values(), default=0)
        if sum(keys.servers.values()) < len(keys):
            raise ConfigError(
                "psk_peers: a peer of a client has to be a DNS name or an IP address, that of the server; "
                "`own` and `peer` are exchanged in the keys of the server"
            )
        if most > KEYS_OFFERED:
            raise ConfigError(f"psk_peers: {most} keys for one server; at most {KEYS_OFFERED} are offered")
    return keys


def check_key_for(trust: PeerTrust, target: ServerName) -> None:
    """Check that there is an external PSK of the server, where nothing else can verify it. Raises ConfigError."""
    if trust.psks is not None and not trust.types and not trust.psks.of_server(target):
        raise ConfigError(
            f"psk_peers: no key has the peer {shown(target)}, and there are no anchors or pins to verify it otherwise; "
            "connect by the name that is the `peer` of a key"
        )


def checked_raw_key(raw_key: object, offer: Negotiation) -> RawKeyCredentials | None:
    """Return our key without a certificate; it must support one of the schemes of TLS 1.3. Raises ConfigError."""
    if not isinstance(raw_key, RawKeyCredentials | None):
        raise ConfigError(f"raw_key: expected RawKeyCredentials, not {type(raw_key).__name__}")
    if raw_key is not None and not set(schemes_for(raw_key.verifier, Version.TLS13)) & set(offer.schemes):
        raise ConfigError("raw_key: no scheme in `schemes` fits the key in TLS 1.3")
    return raw_key


def only_tls13(offer: Negotiation, why: str) -> Negotiation:
    """Return the offer without TLS 1.2, where the field `why` needs 1.3. Raises ConfigError without TLS 1.3."""
    if Version.TLS13 not in offer.versions:
        raise ConfigError(f"{why}: raw public keys need TLS 1.3, which is not in `versions`")
    return replace(offer, versions=(Version.TLS13,), suites=offer.suites_13)


def check_judging(
    anchors: object, revocation: object, judge_again: str, pins: object = None, psks: object = None
) -> None:
    """Check the fields about trust anchors, revocation, keys and repeated verification. Raises ConfigError."""
    if revocation is not None and not isinstance(revocation, Revocation):
        raise ConfigError("revocation: expected a Revocation")
    if revocation is not None and anchors in (None, NO_ANCHORS):
        if pins is not None:
            raise ConfigError("revocation: a raw public key cannot be revoked; remove its pin instead")
        if psks is not None:
            raise ConfigError(
                "revocation: a pre-shared key cannot be revoked; remove it from psk_peers instead"
            )
    if judge_again not in ("never", "lapse", "change"):
        raise ConfigError(f"judge_again: {judge_again!r} is none of never, lapse, change")
    kinds = (WatchedTrustStore, WatchedPinnedKeys, WatchedExternalPSKs)
    watched = any(isinstance(each, kinds) for each in (anchors, pins, psks))
    if judge_again == "change" and revocation is None and not watched:
        raise ConfigError(
            "judge_again: without revocation there is no evidence that could change, nor are anchors, pins or "
            "external PSKs watched"
        )


def refuses_unknown_name(mode: str, own: Sequence[Credentials]) -> bool:
    """Return whether a client that asks for a name of no credentials is refused. Raises ConfigError."""
    if mode not in ("first", "refuse"):
        raise ConfigError("unknown_server_name: expected first or refuse")
    if mode == "refuse" and not own:
        raise ConfigError(
            "unknown_server_name: without certificates there are no names, so none could be refused"
        )
    return mode == "refuse"


def check_client_auth(
    mode: object, offer: Negotiation, anchors: object, pins: object, psks: object = None
) -> None:
    """Check how clients are authenticated: by what, and when. Raises ConfigError."""
    if mode not in ("none", "request", "require", "later"):
        raise ConfigError(f"client_auth: {mode!r} is not a mode; expected none, request, require or later")
    if mode != "none" and anchors is None and pins is None and psks is None:
        raise ConfigError(f"client_anchors: missing; client_auth={mode!r} verifies clients by them")
    if mode == "later" and Version.TLS13 not in offer.versions:
        raise ConfigError(
            "client_auth: 'later' needs TLS 1.3; TLS 1.2 requests certificates in the handshake only"
        )
    if mode == "later" and pins is not None:
        raise ConfigError("client_pins: raw public keys are requested in the handshake, and not 'later'")
    if mode == "later" and psks is not None:
        raise ConfigError("psk_peers: external PSKs authenticate in the handshake, and not 'later'")


def check_nobody_is_judged(*, judge_again: str, allow: object, revocation: object, **peers: object) -> None:
    """Check that a server whose client_auth is none has no field about clients. Raises ConfigError."""
    for what, value in (*peers.items(), ("allow", allow)):
        if value is not None:
            raise ConfigError(f"{what}: not used, since client_auth is none")
    if revocation is not None:
        raise ConfigError("revocation: it is not checked, since client_auth is none")
    if judge_again != "never":
        raise ConfigError("judge_again: no client is verified, since client_auth is none")


def resumes_12(wanted: bool, offer: Negotiation, what: str, where: object) -> bool:
    """Return whether sessions of TLS 1.2 are resumed; what, where: the field without which none can be."""
    if wanted and (where is None or Version.TLS12 not in offer.versions):
        missing = f"{what}=None resumes nothing" if where is None else "TLS 1.2 is not in `versions`"
        raise ConfigError(f"resume_tls12: it has no effect, since {missing}")
    return wanted
