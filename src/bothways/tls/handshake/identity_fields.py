"""The fields of a configuration about our identity and the trust in peers, checked before any connection.

Each function raises ConfigError for a value that cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bothways.errors import ConfigError
from bothways.roles import Version
from bothways.tls.crypto.signing import described, schemes_for
from bothways.tls.handshake.settings import Negotiation
from bothways.trust.anchors import NO_ANCHORS, TrustStore, WatchedTrustStore
from bothways.trust.credentials import Credentials, WatchedCredentials
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.pins import PinnedKeys, WatchedPinnedKeys
from bothways.trust.raw_key import RawKeyCredentials
from bothways.trust.revocation import Revocation


def own_credentials(
    credentials: Credentials | Sequence[Credentials] | None, offer: Negotiation
) -> tuple[Credentials, ...]:
    """Return the credentials as a tuple; each must support a scheme in one of the versions. Raises ConfigError."""
    several = (credentials,) if isinstance(credentials, Credentials) else tuple(credentials or ())
    for each in several:
        if not isinstance(each, Credentials):
            raise ConfigError(f"credentials: expected Credentials, not {type(each).__name__}")
        if isinstance(each, WatchedCredentials):
            each.accept_only(partial(_check_schemes, offer=offer))
        else:
            _check_schemes(each, offer)
    return several


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


def checked_anchors(what: str, anchors: object, pins: PinnedKeys | None = None) -> TrustStore:
    """Return the trust anchors, of which there must be one unless raw public keys are pinned. Raises ConfigError."""
    if not isinstance(anchors, TrustStore) or (anchors is NO_ANCHORS and pins is None):
        raise ConfigError(f"{what}: expected a TrustStore, since without anchors every peer would be refused")
    return anchors


def checked_pins(what: str, pins: object) -> PinnedKeys | None:
    """Return the raw public keys of peers that are trusted. Raises ConfigError."""
    if not isinstance(pins, PinnedKeys | None):
        raise ConfigError(f"{what}: expected PinnedKeys; a raw public key is never trusted without a pin")
    return pins


def checked_raw_key(raw_key: object, offer: Negotiation) -> RawKeyCredentials | None:
    """Return our key without a certificate; it must support one of the schemes of TLS 1.3. Raises ConfigError."""
    if not isinstance(raw_key, RawKeyCredentials | None):
        raise ConfigError(f"raw_key: expected RawKeyCredentials, not {type(raw_key).__name__}")
    if raw_key is not None and not set(schemes_for(raw_key.verifier, Version.TLS13)) & set(offer.schemes):
        raise ConfigError("raw_key: no scheme in `schemes` fits the key in TLS 1.3")
    return raw_key


def only_tls13(offer: Negotiation, why: str) -> Negotiation:
    """Return the offer without TLS 1.2, where `why` needs raw public keys. Raises ConfigError without TLS 1.3."""
    if Version.TLS13 not in offer.versions:
        raise ConfigError(f"{why}: raw public keys need TLS 1.3, which is not in `versions`")
    return replace(offer, versions=(Version.TLS13,), suites=offer.suites_13)


def check_judging(anchors: object, revocation: object, judge_again: str, pins: object = None) -> None:
    """Check the fields about trust anchors, revocation, pins and repeated verification. Raises ConfigError."""
    if revocation is not None and not isinstance(revocation, Revocation):
        raise ConfigError("revocation: expected a Revocation")
    if revocation is not None and pins is not None and anchors in (None, NO_ANCHORS):
        raise ConfigError("revocation: a raw public key cannot be revoked; remove its pin instead")
    if judge_again not in ("never", "lapse", "change"):
        raise ConfigError(f"judge_again: {judge_again!r} is none of never, lapse, change")
    watched = isinstance(anchors, WatchedTrustStore) or isinstance(pins, WatchedPinnedKeys)
    if judge_again == "change" and revocation is None and not watched:
        raise ConfigError(
            "judge_again: without revocation there is no evidence that could change, nor are anchors or pins watched"
        )


def refuses_unknown_name(mode: str, own: Sequence[Credentials]) -> bool:
    """Return whether a client that asks for a name of no credentials is refused. Raises ConfigError."""
    if mode not in ("first", "refuse"):
        raise ConfigError("unknown_server_name: expected first or refuse")
    if mode == "refuse" and not own:
        raise ConfigError("unknown_server_name: a raw public key has no names, so none could be refused")
    return mode == "refuse"


def check_client_auth(mode: object, offer: Negotiation, anchors: object, pins: object) -> None:
    """Check how clients are authenticated: by what, and when. Raises ConfigError."""
    if mode not in ("none", "request", "require", "later"):
        raise ConfigError(f"client_auth: {mode!r} is not a mode; expected none, request, require or later")
    if mode != "none" and anchors is None and pins is None:
        raise ConfigError(f"client_anchors: missing; client_auth={mode!r} verifies clients by them")
    if mode == "later" and Version.TLS13 not in offer.versions:
        raise ConfigError(
            "client_auth: 'later' needs TLS 1.3; TLS 1.2 requests certificates in the handshake only"
        )
    if mode == "later" and pins is not None:
        raise ConfigError("client_pins: raw public keys are requested in the handshake, and not 'later'")


def resumes_12(wanted: bool, offer: Negotiation, what: str, where: object) -> bool:
    """Return whether sessions of TLS 1.2 are resumed; what, where: the field without which none can be."""
    if wanted and (where is None or Version.TLS12 not in offer.versions):
        missing = f"{what}=None resumes nothing" if where is None else "TLS 1.2 is not in `versions`"
        raise ConfigError(f"resume_tls12: it has no effect, since {missing}")
    return wanted
