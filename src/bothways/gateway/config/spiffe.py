"""The identity of a route that comes from the Workload API of SPIFFE: `spiffe`, `spiffe_id` and `trust_domains`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bothways.gateway.config.strict_toml import Table
from bothways.spiffe.addresses import found_address
from bothways.spiffe.identities import TrustDomains, checked_domain, identities_in, trust_domain
from bothways.trust.anchors import TrustStore
from bothways.trust.own_identity.credentials import Credentials

SPIFFE = "spiffe:"  # begins the name of a source


class SpiffeIdentity(NamedTuple):
    """Which of the identities of a Workload API is ours. spiffe_id: None for the default one.

    domains: the trust domains besides our own whose clients are trusted.
    """

    source: str
    spiffe_id: str | None = None
    domains: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """What identifies it: the source, and which of its identities."""
        return (self.source,) if self.spiffe_id is None else (self.source, self.spiffe_id)

    @property
    def read_files(self) -> tuple[str, ...]:
        """Where its content comes from."""
        return (self.source,)

    def load(self, read: Callable[[str], bytes], before: Credentials | None) -> Credentials:
        """Return our credentials; those from before if they are the same. Raises ConfigError."""
        made = identities_in(read(self.source), self.source).credentials(self.spiffe_id)
        return before if before is not None and before.chain == made.chain else made

    def anchors(
        self, read: Callable[[str], bytes], before: TrustStore | None, only: str | None = None
    ) -> tuple[TrustStore, TrustDomains]:
        """Return whom to trust; the anchors from before if they are the same. Raises ConfigError.

        only: one trust domain; None for ours and the federated ones that are named.
        """
        found = identities_in(read(self.source), self.source)
        wanted = (found.own_domain(self.spiffe_id), *self.domains) if only is None else (only,)
        made, domains = found.trusted(wanted, self.source, may_lack=before is not None)
        return (before if before is not None and before.digest == made.digest else made), domains


def spiffe_identity_in(table: Table, *, federated: bool = True) -> SpiffeIdentity | None:
    """Read which identity of which Workload API a table names; None where it names none. Raises ConfigError.

    federated: whether it may name other trust domains that are trusted, too.
    """
    address, spiffe_id = table.text("spiffe"), table.text("spiffe_id")
    domains = table.texts("trust_domains") if federated else None
    if address is None:
        for name, given in (("spiffe_id", spiffe_id), ("trust_domains", domains)):
            if given is not None:
                table.refuse_slip("spiffe")
                table.refuse(f"`{name}` without `spiffe`, the address of a Workload API", name)
        return None
    found = table.made("spiffe", lambda: found_address(address))
    if spiffe_id is not None and trust_domain(spiffe_id) is None:
        table.refuse("expected a SPIFFE ID such as spiffe://example.org/gateway", "spiffe_id")
    checked = table.made("trust_domains", lambda: tuple(map(checked_domain, domains or ())))
    return SpiffeIdentity(SPIFFE + found, spiffe_id, checked)
