"""The revocation policy for certificates of peers: which evidence is used, and what an unknown status means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from bothways.errors import ConfigError
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation.news import RevocationNews

_WHOLE_PATH = 1_000_000  # certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """How peers' certificates are checked for revocation (RFC 5280 6.3, RFC 6960). Raises ConfigError.

    crls, ocsp: the available CRLs and OCSP responses.  staples: what is done with the OCSP responses that a peer
    staples: "ignore", "use", or "require" one for the leaf.  fetch: what may be fetched, and from where, if the
    available evidence is not sufficient.  covers: "path" (every certificate below the trust anchor) or "leaf".
    unknown: "refuse" a peer whose status is unknown, or "accept" it with a warning; a revoked certificate is always
    refused, and so is a missing staple that the certificate requires (RFC 7633).
    tolerance: the difference of clocks that is allowed for thisUpdate and nextUpdate.  news: evidence that other
    servers have found; only permanent revocations in it count, so it is no source of a good status.
    """

    crls: CRLStore | None = None
    ocsp: OCSPStore | None = None
    staples: Literal["ignore", "use", "require"] = "ignore"
    fetch: Fetch | None = None
    covers: Literal["path", "leaf"] = "path"
    unknown: Literal["refuse", "accept"] = "refuse"
    tolerance: timedelta = TOLERANCE
    news: RevocationNews | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.crls, CRLStore | None):
            raise ConfigError("crls: expected a CRLStore")
        if not isinstance(self.ocsp, OCSPStore | None):
            raise ConfigError("ocsp: expected an OCSPStore")
        if self.staples not in ("ignore", "use", "require"):
            raise ConfigError(f"staples: {self.staples!r} is none of ignore, use, require")
        if not isinstance(self.fetch, Fetch | None):
            raise ConfigError("fetch: expected a Fetch")
        if self.crls is None and self.ocsp is None and self.staples == "ignore" and self.fetch is None:
            raise ConfigError("revocation: it requires a source: crls, ocsp, staples or fetch")
        if self.covers not in ("path", "leaf"):
            raise ConfigError(f"covers: {self.covers!r} is neither path nor leaf")
        if self.unknown not in ("refuse", "accept"):
            raise ConfigError(f"unknown: {self.unknown!r} is neither refuse nor accept")
        if self.tolerance < timedelta(0):
            raise ConfigError("tolerance: expected a duration of zero or more")
        if not isinstance(self.news, RevocationNews | None):
            raise ConfigError("news: expected a RevocationNews")

    @property
    def listed(self) -> int:
        """The number of certificates of a path, from the leaf, for which CRLs are checked."""
        if self.crls is None and not (self.fetch is not None and self.fetch.crls):
            return 0
        return _WHOLE_PATH if self.covers == "path" else 1

    @property
    def generation(self) -> int:
        """A number that rises whenever the available CRLs, OCSP responses or news change."""
        sources = (self.crls, self.ocsp, self.news)
        return sum([0 if each is None else each.generation for each in sources])

    @classmethod
    def preset(
        cls,
        name: str,
        crls: CRLStore | None = None,
        ocsp: OCSPStore | None = None,
        fetch: Fetch | None = None,
    ) -> Revocation:
        """Return one of `PRESETS` by its name. Raises ConfigError for another name, or without a source.

        crls, ocsp: the available CRLs and OCSP responses; one that is empty now counts as a source beside another.
        fetch: what may be fetched.
        """
        if name not in PRESETS:
            raise ConfigError(f"revocation: {name!r} is not a preset; expected {', '.join(PRESETS)}")
        if not (crls or ocsp or fetch is not None or name.startswith("staple")):
            raise ConfigError(f"revocation: {name} requires a source, such as a CRL or an OCSP response")
        return cls(crls=crls, ocsp=ocsp, fetch=fetch, **PRESETS[name])


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "require": {},
    "leaf": {"covers": "leaf"},
    "tolerant": {"unknown": "accept"},
    "staple": {"staples": "require"},
    "staple-leaf": {"staples": "require", "covers": "leaf"},
}
