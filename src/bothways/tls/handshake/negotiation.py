"""Choices and checks of the hello messages: pure functions of what was offered and what we accept.

They need no keys, no state and no I/O. A choice that is impossible and a rule that the peer broke raise `Blame`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import NamedTuple, NoReturn

from bothways.faults import Fault, blame
from bothways.iana import (
    NAMES_LIMIT,
    CertificateType,
    CipherSuite,
    CompressionMethod,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    is_grease,
)
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_placement import first_repeated
from bothways.tls.wire.extension_table import code, host_names
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry
from bothways.tls.wire.tls13 import CertificateRequest, EncryptedExtensions

DOWNGRADE_TO_12 = bytes.fromhex("444f574e47524401")
DOWNGRADE_BELOW_12 = bytes.fromhex("444f574e47524400")
# A longer one might leave no room for the rest of our second ClientHello, which has tickets and keys twice where it is
# encrypted.
COOKIE_LIMIT = 2**12


# -- checks of a server -----------------------------------------------------------------------------------


def client_versions(hello: ClientHello) -> tuple[int, ...]:
    """Return the versions that a client offers (RFC 9846 4.3.1)."""
    supported = ext.find(hello.extensions or (), ext.SupportedVersions)
    if supported is not None:
        return supported.versions
    return (min(hello.legacy_version, ProtocolVersion.TLSv1_2),)


def choose_version(hello: ClientHello, accepted: Sequence[Version]) -> Version:
    """Choose the highest version that both sides support (RFC 9846 4.3.1; RFC 7507 3)."""
    offered = client_versions(hello)
    if CipherSuite.TLS_FALLBACK_SCSV in hello.cipher_suites:
        best = max((version for version in offered if not is_grease(version)), default=0)
        if max(accepted) > best:
            blame(Fault.NEEDLESS_FALLBACK, best=spelled(ProtocolVersion, max(accepted)))
    shared = [version for version in accepted if version in offered]
    if not shared or hello.legacy_version <= ProtocolVersion.SSLv3:
        blame(
            Fault.UNSUPPORTED_VERSION,
            offered=all_spelled(ProtocolVersion, offered),
            accepted=all_spelled(ProtocolVersion, tuple(accepted)),
            otherwise=_otherwise(offered, accepted),
        )
    return max(shared)


def _otherwise(offered: Collection[int], accepted: Collection[Version]) -> str:
    """Return what we could do in place of the peer: accept what it offers, where we have that version at all."""
    could = tuple(each for each in Version if each in offered and each not in accepted)
    return f", or accept {', '.join(all_spelled(ProtocolVersion, could))}" if could else ""


class ClientOffer(NamedTuple):
    """A ClientHello of TLS 1.3 whose extensions are complete and consistent."""

    hello: ClientHello
    find: ext.Find
    groups: tuple[int, ...]
    schemes: tuple[int, ...]
    shares: tuple[ext.KeyShareEntry, ...]
    server_name: str | None
    protocols: tuple[bytes, ...] | None
    early_data: bool
    psks: ext.PreSharedKeys | None
    psk_modes: tuple[int, ...]

    def share_of(self, group: int) -> bytes | None:
        """Return the client's share for `group`, if it sent one."""
        for share in self.shares:
            if share.group == group:
                return share.key_exchange
        return None


def read_offer(hello: ClientHello) -> ClientOffer:
    """Check a ClientHello of TLS 1.3 by RFC 9846 4.2.2 and 9.2, and return its offer."""
    if hello.legacy_compression_methods != bytes([CompressionMethod.null]):
        offered = all_spelled(CompressionMethod, list(hello.legacy_compression_methods))
        blame(Fault.BAD_COMPRESSION, got=offered)
    find = ext.finder(hello.extensions or ())
    groups, schemes, shares = find(ext.SupportedGroups), find(ext.SignatureAlgorithms), find(ext.KeyShares)
    psks, modes = find(ext.PreSharedKeys), find(ext.PskKeyExchangeModes)
    if schemes is None and psks is None:
        _missing(ExtensionType.signature_algorithms, "ClientHello")
    if groups is None:
        _missing(ExtensionType.supported_groups, "ClientHello")
    if shares is None:
        _missing(ExtensionType.key_share, "ClientHello")
    if psks is not None:
        _check_psks(psks, modes)
    _check_entries(groups.groups, NamedGroup, "supported_groups")
    _check_types(find)
    _check_shares(shares.shares, groups.groups)
    protocols = find(ext.ApplicationProtocols)
    return ClientOffer(
        hello,
        find,
        groups.groups,
        () if schemes is None else schemes.schemes,
        shares.shares,
        asked_name(hello.extensions or ()),
        protocols.protocols if protocols is not None else None,
        find(ext.EarlyDataIndication) is not None,
        psks,
        () if modes is None else modes.modes,
    )


def check_schemes(offer: ClientOffer) -> None:
    """Check that a client sends signature_algorithms, without which no certificate can be used (RFC 9846 9.2)."""
    if not offer.schemes:
        _missing(ExtensionType.signature_algorithms, "ClientHello")


def _check_psks(psks: ext.PreSharedKeys, modes: ext.PskKeyExchangeModes | None) -> None:
    """Check that a client sends psk_key_exchange_modes and a binder for each PSK (RFC 9846 4.3.11)."""
    if modes is None:
        _missing(ExtensionType.psk_key_exchange_modes, "ClientHello")
    if len(psks.identities) != len(psks.binders):
        blame(Fault.BINDERS_DO_NOT_FIT, binders=len(psks.binders), keys=len(psks.identities))


def asked_name(extensions: Sequence[ext.Extension]) -> str | None:
    """Return the server name that a client requests, in printable ASCII; None without one (RFC 6066 3)."""
    found = ext.find(extensions, ext.ServerName)
    if found is not None and found.host_name is not None and found.host_name.isprintable():
        return found.host_name
    hosts = _hosts_of(extensions) if found is None else ((found.host_name or "").encode(),)
    if len(hosts) > 1:
        blame(Fault.BAD_SERVER_NAME, name=_texts(hosts), problem="is more than one")
    for host in hosts:
        if not host.isascii() or not host.decode("ascii").isprintable():
            blame(Fault.BAD_SERVER_NAME, name=_texts(hosts), problem="no host has")
    return hosts[0].decode("ascii") if hosts else None


def _hosts_of(extensions: Sequence[ext.Extension]) -> tuple[bytes, ...]:
    for each in extensions:
        if isinstance(each, ext.UnknownExtension) and each.extension_type == ExtensionType.server_name:
            return host_names(each.data)
    return ()


def _check_entries(codes: Sequence[int], registry: type[IntEnum], place: str) -> None:
    if len(set(codes)) != len(codes):
        blame(Fault.DUPLICATE_ENTRY, entry=spelled(registry, first_repeated(codes)), place=place)


def _check_types(find: ext.Find) -> None:
    client, server = find(ext.ClientCertificateTypes), find(ext.ServerCertificateTypes)
    if client is not None:
        _check_entries(client.types, CertificateType, "client_certificate_type")
    if server is not None:
        _check_entries(server.types, CertificateType, "server_certificate_type")


def _check_shares(shares: Sequence[ext.KeyShareEntry], groups: Sequence[int]) -> None:
    seen: set[int] = set()
    offered = set(groups)
    for share in shares:
        if share.group in seen:
            blame(Fault.DUPLICATE_SHARE, got=spelled(NamedGroup, share.group))
        if share.group not in offered:
            blame(Fault.UNOFFERED_SHARE, got=spelled(NamedGroup, share.group))
        seen.add(share.group)


def choose_suite(offered: Sequence[int], accepted: Sequence[int]) -> int:
    """Choose the first of our cipher suites that the client offers (RFC 9846 4.2.1)."""
    for suite in accepted:
        if suite in offered:
            return suite
    blame(
        Fault.NO_SHARED_CIPHER_SUITE,
        offered=all_spelled(CipherSuite, tuple(offered)),
        accepted=all_spelled(CipherSuite, tuple(accepted)),
    )


def choose_group(offered: Sequence[int], accepted: Sequence[int]) -> int:
    """Choose the first of our groups that the client offers, even if a HelloRetryRequest is needed for it.

    Thus the client's selection of key shares cannot lead to a weaker group (RFC 9846 4.2.1).
    """
    for group in accepted:
        if group in offered:
            return group
    blame(
        Fault.NO_SHARED_GROUP,
        offered=all_spelled(NamedGroup, tuple(offered)),
        accepted=all_spelled(NamedGroup, tuple(accepted)),
    )


def choose_protocol(offered: Sequence[bytes] | None, accepted: Sequence[bytes]) -> bytes | None:
    """Choose the first of our application protocols that the client offers (RFC 7301 3.2)."""
    if offered is None or not accepted:
        return None
    for protocol in accepted:
        if protocol in offered:
            return protocol
    refuse_protocols(offered, accepted)


def refuse_protocols(offered: Sequence[bytes], accepted: Sequence[bytes]) -> NoReturn:
    """Refuse a client that offers none of the application protocols that we accept (RFC 7301 3.2)."""
    blame(
        Fault.NO_SHARED_APPLICATION_PROTOCOL,
        offered=_texts(offered) or ["none"],
        accepted=_texts(accepted),
    )


def check_second_hello(
    first: ClientHello, second: ClientHello, group: int | None, cookie: bytes | None
) -> None:
    """Check that a second ClientHello differs from the first only where it may (RFC 9846 4.2.2).

    group: the one requested, None without such a request.  cookie: the one sent.
    """
    for field in (
        "legacy_version",
        "random",
        "legacy_session_id",
        "cipher_suites",
        "legacy_compression_methods",
    ):
        if getattr(first, field) != getattr(second, field):
            blame(Fault.CHANGED_HELLO, field=field)
    _check_unchanged(first.extensions or (), second.extensions or ())
    _check_no_new_psk(first.extensions or (), second.extensions or ())
    returned = ext.find(second.extensions or (), ext.Cookie)
    if (returned.cookie if returned is not None else None) != cookie:
        blame(Fault.WRONG_COOKIE)
    shares = ext.find(second.extensions or (), ext.KeyShares)
    if group is not None and shares is not None and [share.group for share in shares.shares] != [group]:
        got = all_spelled(NamedGroup, [share.group for share in shares.shares])
        blame(Fault.WRONG_SHARE_AFTER_RETRY, got=got, asked=spelled(NamedGroup, group))


_MAY_CHANGE = frozenset(
    {
        ExtensionType.key_share,
        ExtensionType.early_data,
        ExtensionType.cookie,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
        # Clients that were not decrypted differ in what they do with it; a decrypted one repeats it (RFC 9849 7.1.1).
        ExtensionType.encrypted_client_hello,
    }
)


def _check_unchanged(first: Sequence[ext.Extension], second: Sequence[ext.Extension]) -> None:
    before = {code(each): each for each in first}
    after = {code(each): each for each in second}
    if ExtensionType.early_data in after:
        blame(Fault.CHANGED_HELLO, field="early_data, which may not stand there any more")
    for each in before.keys() | after.keys():
        if each not in _MAY_CHANGE and before.get(each) != after.get(each):
            blame(Fault.CHANGED_HELLO, field=spelled(ExtensionType, each))


def _check_no_new_psk(first: Sequence[ext.Extension], second: Sequence[ext.Extension]) -> None:
    """Check that a second ClientHello offers no PSK that the first did not; it may omit some (RFC 9846 4.2.2)."""
    before, after = ext.find(first, ext.PreSharedKeys), ext.find(second, ext.PreSharedKeys)
    if after is not None:
        offered = set() if before is None else {each.identity for each in before.identities}
        if any(each.identity not in offered for each in after.identities):
            blame(Fault.CHANGED_HELLO, field="pre_shared_key, where none may be added")


# -- checks of a client -----------------------------------------------------------------------------------


def check_server_version(hello: ClientHello, answer: ServerHello) -> Version:
    """Return the version that the server chose (RFC 9846 4.2.3, 4.3.1 and 9.2).

    Blames the server for a version that we did not offer, and for the downgrade value in its random.
    """
    offered = client_versions(hello)
    selected = ext.find(answer.extensions or (), ext.SelectedVersion)
    if selected is None and is_retry(answer):
        _missing(ExtensionType.supported_versions, "HelloRetryRequest")
    version = selected.version if selected is not None else answer.legacy_version
    if selected is not None and (version < ProtocolVersion.TLSv1_3 or version not in offered):
        blame(Fault.ILLEGAL_VERSION, got=spelled(ProtocolVersion, version))
    if version < ProtocolVersion.TLSv1_3 in offered and answer.random[-8:] in (
        DOWNGRADE_TO_12,
        DOWNGRADE_BELOW_12,
    ):
        blame(Fault.DOWNGRADED, got=spelled(ProtocolVersion, version))
    if version not in offered or (selected is None and version >= ProtocolVersion.TLSv1_3):
        blame(
            Fault.UNOFFERED_VERSION,
            got=spelled(ProtocolVersion, version),
            offered=all_spelled(ProtocolVersion, offered),
        )
    return Version(version)


def check_server_hello(hello: ClientHello, answer: ServerHello) -> None:
    """Check what a ServerHello and a HelloRetryRequest for TLS 1.3 have in common (RFC 9846 4.2.3)."""
    if answer.legacy_version != ProtocolVersion.TLSv1_2:
        blame(Fault.ILLEGAL_LEGACY_VERSION, got=spelled(ProtocolVersion, answer.legacy_version))
    if answer.legacy_session_id_echo != hello.legacy_session_id:
        blame(Fault.WRONG_SESSION_ID)
    if answer.cipher_suite not in hello.cipher_suites or answer.cipher_suite not in SUITES13:
        blame(Fault.UNOFFERED_CIPHER_SUITE, got=spelled(CipherSuite, answer.cipher_suite))
    if answer.legacy_compression_method != CompressionMethod.null:
        blame(Fault.UNOFFERED_COMPRESSION, got=spelled(CompressionMethod, answer.legacy_compression_method))


def check_retry(hello: ClientHello, retry: ServerHello) -> int | None:
    """Return the group that a HelloRetryRequest requests, None if it requests none (RFC 9846 4.2.4)."""
    extensions = retry.extensions or ()
    requested = ext.find(extensions, ext.RetryGroup)
    cookie = ext.find(extensions, ext.Cookie)
    if cookie is not None and len(cookie.cookie) > COOKIE_LIMIT:
        blame(Fault.MESSAGE_TOO_LONG, message="cookie", length=len(cookie.cookie), limit=COOKIE_LIMIT)
    if requested is None:
        if cookie is None:
            blame(Fault.USELESS_RETRY)
        return None
    groups = ext.find(hello.extensions or (), ext.SupportedGroups)
    if groups is None or requested.group not in groups.groups:
        blame(Fault.UNOFFERED_GROUP, got=spelled(NamedGroup, requested.group))
    shares = ext.find(hello.extensions or (), ext.KeyShares)
    if shares is not None and any(share.group == requested.group for share in shares.shares):
        blame(Fault.RETRY_FOR_SENT_SHARE, got=spelled(NamedGroup, requested.group))
    return requested.group


def check_after_retry(retry: ServerHello, answer: ServerHello, group: int | None) -> None:
    """Check that a ServerHello has the choices of the HelloRetryRequest before it (RFC 9846 4.2.4)."""
    if is_retry(answer):
        blame(Fault.SECOND_RETRY)
    if answer.cipher_suite != retry.cipher_suite:
        blame(
            Fault.CHANGED_CIPHER_SUITE,
            got=spelled(CipherSuite, answer.cipher_suite),
            before=spelled(CipherSuite, retry.cipher_suite),
        )
    before = ext.find(retry.extensions or (), ext.SelectedVersion)
    after = ext.find(answer.extensions or (), ext.SelectedVersion)
    if before != after:
        blame(Fault.CHANGED_VERSION)
    share = server_share(answer)
    if group is not None and share.group != group:
        blame(
            Fault.WRONG_SHARE_AFTER_RETRY,
            got=spelled(NamedGroup, share.group),
            asked=spelled(NamedGroup, group),
        )


def server_share(answer: ServerHello) -> ext.KeyShareEntry:
    """Return the server's key share, which TLS 1.3 requires here (RFC 9846 4.3.8)."""
    share = ext.find(answer.extensions or (), ext.ServerShare)
    if share is None:
        _missing(ExtensionType.key_share, "ServerHello")
    return share.entry


def check_encrypted_extensions(hello: ClientHello, encrypted: EncryptedExtensions) -> bytes | None:
    """Check the EncryptedExtensions and return the application protocol (RFC 9846 4.4.1, RFC 7301 3.1)."""
    return check_protocol(hello, ext.find(encrypted.extensions, ext.ApplicationProtocols))


def check_protocol(hello: ClientHello, chosen: ext.ApplicationProtocols | None) -> bytes | None:
    """Return the application protocol that the server chose from our offer (RFC 7301 3.1)."""
    if chosen is None:
        return None
    offered = ext.find(hello.extensions or (), ext.ApplicationProtocols)
    ours = offered.protocols if offered is not None else ()
    if len(chosen.protocols) != 1 or chosen.protocols[0] not in ours:
        blame(Fault.UNOFFERED_APPLICATION_PROTOCOL, got=_texts(chosen.protocols), offered=_texts(ours))
    return chosen.protocols[0]


def request_schemes(request: CertificateRequest) -> tuple[int, ...]:
    """Return the signature schemes in a CertificateRequest (RFC 9846 4.4.2)."""
    schemes = ext.find(request.extensions, ext.SignatureAlgorithms)
    if schemes is None:
        _missing(ExtensionType.signature_algorithms, "CertificateRequest")
    return schemes.schemes


def _missing(extension: ExtensionType, message: str) -> NoReturn:
    blame(Fault.MISSING_EXTENSION, extension=extension.name, message=message)


def _texts(protocols: Sequence[bytes]) -> list[str]:
    """Return protocol names for a message to a person: the first ones, and the number of the others."""
    texts = [protocol.decode("utf-8", "backslashreplace") for protocol in protocols[:NAMES_LIMIT]]
    more = len(protocols) - len(texts)
    return [*texts, f"{more} more"] if more else texts
