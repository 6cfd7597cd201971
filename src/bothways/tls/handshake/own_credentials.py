"""Our credentials, found by the server name that a client requests (RFC 6066 3).

A client that is not authenticated yet causes the search, so its time must not grow with the number of our credentials.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bothways.roles import Version
from bothways.tls.crypto.signing import curve_of, schemes_for
from bothways.trust.names.general import is_dns_name, lower_ascii
from bothways.trust.own_identity.credentials import Credentials


class OwnCredentials:
    """Some credentials at one moment.

    all: in the order of the configuration.  chains: of each, in DER.  of_each_kind: the first of those whose keys fit
    the same cipher suites, groups and signature schemes, so that only their names differ.
    """

    __slots__ = ("_places", "all", "chains", "of_each_kind")

    def __init__(self, credentials: Sequence[Credentials]) -> None:
        self.all = tuple(credentials)
        self.chains = tuple(each.chain for each in self.all)
        self._places: dict[str, list[int]] = {}
        kinds: dict[Hashable, Credentials] = {}
        for place, each in enumerate(self.all):
            kinds.setdefault(_kind(each), each)
            for name in each.server_names:
                self._places.setdefault(name, []).append(place)
        self.of_each_kind = tuple(kinds.values())

    def named(self, server_name: str) -> tuple[Credentials, ...]:
        """Return those that are valid for a server name, in their order (RFC 9525 6.3)."""
        name = lower_ascii(server_name)
        if not is_dns_name(name):
            return ()
        exact, covering = self._places.get(name, ()), self._places.get(f"*.{name.partition('.')[2]}", ())
        places = sorted({*exact, *covering}) if covering else exact
        return tuple([self.all[place] for place in places])


class CurrentCredentials:
    """The credentials of a configuration, of which some may change with their files."""

    __slots__ = ("_configured", "_made", "_watched")

    def __init__(self, configured: Sequence[Credentials]) -> None:
        self._configured = tuple(configured)
        self._watched = tuple(each for each in self._configured if each.current is not each)
        self._made = self._make([each.current for each in self._watched])

    @property
    def value(self) -> OwnCredentials:
        """The credentials of this moment."""
        of, made = self._made
        if self._watched:
            now = [each.current for each in self._watched]
            if any(new is not old for new, old in zip(now, of, strict=True)):
                self._made = of, made = self._make(now)
        return made

    def _make(self, watched: list[Credentials]) -> tuple[list[Credentials], OwnCredentials]:
        """Return the credentials, and those of the watched ones that they were made of."""
        return watched, OwnCredentials([each.current for each in self._configured])


def _kind(credentials: Credentials) -> Hashable:
    usages = tuple(map(credentials.allows_key_usage, ("digital_signature", "key_encipherment")))
    schemes = tuple(schemes_for(credentials.verifier, version) for version in Version)
    return usages, schemes, curve_of(credentials.verifier), isinstance(credentials.key, RSAPrivateKey)
