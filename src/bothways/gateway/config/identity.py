"""Who a route of a gateway is, and by whom and by which evidence its clients and its service are verified."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bothways.addresses import Address, TCPAddress
from bothways.faults import shown
from bothways.gateway.config.authority import AuthorityIdentity, authority_identity_in, holder_of
from bothways.gateway.config.credential_files import CredentialFiles, is_token_uri
from bothways.gateway.config.spiffe import SpiffeIdentity, spiffe_identity_in
from bothways.gateway.config.strict_toml import Table
from bothways.spiffe.identities import trust_domain
from bothways.trust.evidence.fetch_policy import allowed
from bothways.trust.path.name_matching import server_name
from bothways.trust.revocation import PRESETS

SYSTEM = "system"
Own = CredentialFiles | SpiffeIdentity | AuthorityIdentity


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Who a route is, and by whom and by which evidence its clients are verified. All but `revocation` are files.

    own: our certificate and key.  client_ca, client_cert: the CAs of clients, and certificates of clients that are
    trusted as they are; one or both. Both are None where the bundles of SPIFFE say whom to trust.
    """

    own: Own
    client_ca: str | None
    client_cert: str | None
    crl: tuple[str, ...]
    ocsp: tuple[str, ...]
    revocation: str | None
    fetch: bool
    fetch_allow: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackendTLS:
    """TLS to a backend, or to the server of a tunnel. own: ours, for mutual TLS.

    ca: trusted for it, None for the CAs of the system, or for none where `trusts_cas` is false.  trust_domain: of
    SPIFFE, whose bundle alone says whom to trust, in place of `ca`.  crl, ocsp, revocation, fetch, fetch_allow: as in
    `IdentityConfig`.  pin: a file of raw public keys that are trusted.  psk: one of pre-shared keys.  raw_key: one of
    our key without a certificate.
    """

    server_name: str
    ca: str | None
    own: CredentialFiles | SpiffeIdentity | None
    crl: tuple[str, ...]
    trust_domain: str | None = None
    ocsp: tuple[str, ...] = ()
    revocation: str | None = None
    fetch: bool = False
    fetch_allow: tuple[str, ...] = ()
    trusts_cas: bool = True
    pin: str | None = None
    psk: str | None = None
    raw_key: str | None = None

    @property
    def read_files(self) -> tuple[str, ...]:
        """All files but those of CRLs."""
        files = (
            *(self.own.read_files if self.own else ()),
            self.ca,
            *self.ocsp,
            self.pin,
            self.psk,
            self.raw_key,
        )
        return tuple(each for each in files if each is not None)


def identity_in(table: Table, folder: Path, common: IdentityConfig | None) -> IdentityConfig:
    """Read who a route is; what it does not say is as in `common`. folder: that of the file. Raises ConfigError."""
    own, named = _own(table, folder, common)
    client_ca, client_cert = _trusted(table, folder, common, named)
    own_lists = (named.lists,) if isinstance(named, AuthorityIdentity) and client_ca == named.root else None
    crl, ocsp = table.texts("crl"), table.texts("ocsp")
    preset, fetch, allow = _evidence_in(table, fetches=common is not None and common.fetch)
    return IdentityConfig(
        own,
        client_ca,
        client_cert,
        _files(folder, crl) if crl is not None else own_lists or (() if common is None else common.crl),
        _files(folder, ocsp) if ocsp is not None else () if common is None else common.ocsp,
        preset if preset is not None or common is None else common.revocation,
        fetch,
        allow if allow is not None else () if common is None else common.fetch_allow,
    )


def _evidence_in(table: Table, *, fetches: bool) -> tuple[str | None, bool, tuple[str, ...] | None]:
    """Read how revocation is checked: the preset, whether evidence is fetched, and from where that is allowed.

    fetches: where the table does not say it.
    """
    preset, allow = table.text("revocation"), table.texts("fetch_allow")
    if preset is not None and preset not in PRESETS:
        table.refuse(f"{shown(preset)} is none of {', '.join(PRESETS)}", "revocation")
    fetch = table.flag("fetch", default=fetches)
    table.made("fetch_allow", lambda: allowed(allow or (), "fetch_allow"))
    if allow and not fetch:
        table.refuse("has an effect only with `fetch = true`", "fetch_allow")
    return preset, fetch, allow


def named_for(table: Table, identity: IdentityConfig, names: Sequence[str] | None) -> IdentityConfig:
    """Return the identity of a route: a certificate that our CA issues has its names, unless others are given.

    Raises ConfigError.
    """
    own = identity.own
    if not isinstance(own, AuthorityIdentity) or own.names:
        return identity
    if not names:
        table.refuse(
            "`names` is missing here and in [identity], and there are no `server_names`: the names of the certificate "
            "that our CA issues"
        )
    own = own._replace(names=tuple(names))
    table.made("server_names", lambda: holder_of(own.names))
    return replace(identity, own=own)


def credential_files_in(table: Table, folder: Path) -> CredentialFiles | None:
    """Read our certificate with its key and their password; None where there is none. Raises ConfigError."""
    certificate, key, password = table.text("certificate"), table.text("key"), table.text("password_file")
    if certificate is None:
        for name, given in (("key", key), ("password_file", password)):
            if given is not None:
                table.refuse_slip("certificate")
                table.refuse(f"`{name}` without `certificate`: name both, as they belong together", name)
        return None
    return CredentialFiles(
        file_in(folder, certificate),
        key if key is None or is_token_uri(key) else file_in(folder, key),
        None if password is None else file_in(folder, password),
    )


def _own(table: Table, folder: Path, common: IdentityConfig | None) -> tuple[Own, Own | None]:
    """Return who we are, and the same if this table names it."""
    issued = authority_identity_in(table, folder)  # first: it may have a password_file without a certificate
    held, spiffe = credential_files_in(table, folder), spiffe_identity_in(table)
    _check_one_source(table, certificate=held, spiffe=spiffe, authority=issued)
    named = held or spiffe or issued
    own = named or (None if common is None else common.own)
    if own is None:
        table.missing(
            "certificate",
            " here and in [identity]: a file with our certificate and chain; or `spiffe`, the "
            "address of a Workload API; or `authority`, the directory of our own CA",
        )
    return own, named


def _check_one_source(table: Table, **named: Own | None) -> None:
    several = [key for key, each in named.items() if each is not None]
    if len(several) > 1:
        shown_keys = " and ".join(f"`{each}`" for each in reversed(several))
        table.refuse(f"{shown_keys}: name one of them, where our certificate comes from", several[-1])


def _trusted(
    table: Table, folder: Path, common: IdentityConfig | None, named: Own | None
) -> tuple[str | None, str | None]:
    """Return whose clients are trusted, and which; a table that names one of both names all that it trusts.

    named: who we are, if the table says it. A Workload API and our own CA say whom to trust where nothing else does.
    """
    ca, exact = table.text("client_ca"), table.text("client_cert")
    if ca is None and exact is None:
        if isinstance(named, SpiffeIdentity):
            return None, None
        if isinstance(named, AuthorityIdentity):
            return named.root, None
        if common is None:
            table.missing(
                "client_ca",
                " here and in [identity]: a file with the CAs trusted for clients; or "
                "`client_cert`, with certificates of clients that are trusted as they are",
            )
        return common.client_ca, common.client_cert
    return None if ca is None else file_in(folder, ca), None if exact is None else file_in(folder, exact)


def backend_tls_in(table: Table, folder: Path, address: Address, what: str = "backend") -> BackendTLS:
    """Read how a service is verified that is reached by TLS, and end the table. Raises ConfigError.

    folder: that of the file.  what: the service is called in messages.
    """
    host = address.host if isinstance(address, TCPAddress) else None
    own, spiffe = credential_files_in(table, folder), spiffe_identity_in(table, federated=False)
    _check_one_source(table, certificate=own, spiffe=spiffe)
    keys = {
        key: None if path is None else file_in(folder, path)
        for key, path in ((each, table.text(each)) for each in ("pin", "psk", "raw_key"))
    }
    trusts_keys = keys["pin"] is not None or keys["psk"] is not None
    ca = domain = None
    if spiffe is not None and not table.has("ca") and not trusts_keys:
        name = table.required(
            "server_name", f"the SPIFFE ID of the {what}; or name in `ca` who is trusted for it instead"
        )
        domain = trust_domain(name)
        if domain is None:
            table.refuse(
                f"expected the SPIFFE ID of the {what}, such as spiffe://example.org/db", "server_name"
            )
    else:
        name = table.text("server_name", host) or ""
        if not name:
            table.missing("server_name", f": the name that the certificate of the {what} must have")
        table.made("server_name", lambda: server_name(name))
        if table.has("ca") or not trusts_keys:
            ca = table.required(
                "ca", f'a file with the CAs trusted for the {what}, or "{SYSTEM}" for those of this system'
            )
    crl, ocsp = table.texts("crl"), table.texts("ocsp")
    preset, fetch, allow = _evidence_in(table, fetches=False)
    table.end()
    return BackendTLS(
        name,
        None if ca is None or ca == SYSTEM else file_in(folder, ca),
        own or spiffe,
        _files(folder, crl or ()),
        domain,
        _files(folder, ocsp or ()),
        preset,
        fetch,
        allow or (),
        trusts_cas=ca is not None or domain is not None,
        **keys,
    )


def file_in(folder: Path, path: str) -> str:
    """Return the path of a file that the file of a gateway in this folder names."""
    return os.path.normpath(folder / path)


def _files(folder: Path, paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(file_in(folder, each) for each in paths)
