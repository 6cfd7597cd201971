"""Limits and times that docs/defaults.md states are those of the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from math import prod
from typing import Any

import click
import pytest

from architecture.sources import ROOT
from bothways import name_lookup
from bothways.aio import admission as aio_admission
from bothways.aio import sending, start_server, turns
from bothways.ca import authority, crl, crl_schedule, ocsp, profiles
from bothways.ca.home import key_encryption
from bothways.ca.register import database
from bothways.ca_server import app, ocsp_cache, server, slow_clients
from bothways.ca_server import worker as ca_worker
from bothways.cli import get, run, serve
from bothways.cli.clients import conversation, http_request
from bothways.cli.commands import CLIENT_DESCRIPTORS, SERVER_DESCRIPTORS, bothways
from bothways.cli.output import log_output
from bothways.cli.servers import admission, page, services, serving
from bothways.describe.documents import crl as describe_crl
from bothways.describe.documents import document
from bothways.describe.documents import extensions as describe_extensions
from bothways.diagnosis.replies import reply as service_reply
from bothways.doctor import examination
from bothways.errors import LOG_LIMIT
from bothways.fetch import disk_cache, fetcher, transport
from bothways.gateway.config import authority as authority_config
from bothways.gateway.config import gateway as gateway_config
from bothways.gateway.config import proxies as gateway_proxies
from bothways.gateway.config import strict_toml
from bothways.gateway.config.gateway import GatewayLimits, Times
from bothways.gateway.files import authority_source
from bothways.gateway.http import client2, forward, identity_fields, link2, operator
from bothways.gateway.http import conversation as conversation_of_gateway
from bothways.gateway.http import messages as http_messages
from bothways.gateway.http import services as http_services
from bothways.gateway.log import log as gateway_log
from bothways.gateway.observe import audit_file, board, refusals, snapshot, status_page
from bothways.gateway.processes import generation, handover
from bothways.gateway.proxy_protocol import reading as proxy_header
from bothways.gateway.reload import current
from bothways.gateway.routes import routes
from bothways.gateway.shared import news_check, revocation_news
from bothways.gateway.store import limits as shared_limits
from bothways.gateway.store import news_index, news_kept, news_store, store_client
from bothways.gateway.tunnels import tunnel
from bothways.http import exchange, location, stream
from bothways.http2 import budget as http2_budget
from bothways.http2 import engine as http2_engine
from bothways.http2 import receiver as http2_receiver
from bothways.iana import CertificateCompressionAlgorithm
from bothways.ladder import json_form
from bothways.roles import Version
from bothways.servers import garbage, listening, places, report_limits
from bothways.signers import SigningPool, pool
from bothways.spiffe import messages as svid_messages
from bothways.spiffe import workload_api
from bothways.starttls import accept_ldap, accepting, talk, xmpp
from bothways.ticket_keys import file_store, redis_store, shared_ring, store_answers, wrapping
from bothways.tls import connection, driver
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.ech import configs as ech_configs
from bothways.tls.handshake import certificate_compression, message_io
from bothways.tls.handshake import identity_fields as handshake_fields
from bothways.tls.handshake import negotiation as handshake_negotiation
from bothways.tls.handshake import settings as handshake_settings
from bothways.tls.handshake.client import resumption as client_resumption
from bothways.tls.handshake.server import psk as server_psk
from bothways.tls.handshake.server import resumption as server_resumption
from bothways.tls.post_handshake import certificate_requests, client_auth, messages
from bothways.tls.record import protection
from bothways.tls.resumption import age, session, session_ids, session_store, ticket_keys
from bothways.tls.wire import compression, extension_table, fields, flight, tls13
from bothways.trust import anchors, crl_store, files, ocsp_store, work
from bothways.trust.access import cel, kinds
from bothways.trust.crl import revocation_list as trust_crl
from bothways.trust.decoding import extensions, key_derivation, protobuf
from bothways.trust.evidence import cache, fetched, http_exchange, locations
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.keys import external_psks, pins
from bothways.trust.names import distinguished as distinguished_names
from bothways.trust.names import general as general_names
from bothways.trust.ocsp import response as trust_ocsp
from bothways.trust.own_identity import passphrase, renewal
from bothways.trust.path import constraints, policies, reasons, web_profile
from bothways.trust.path.search import LIMITS, Limits
from bothways.trust.revocation import news
from bothways.trust.revocation.policy import Revocation
from bothways.workers import shared_memory, supervisor

PAGE = (ROOT / "docs" / "defaults.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("\n## Limits and times") : PAGE.index("\n## Trust anchors")]
ROWS = {
    name: (value, setting)
    for name, value, setting in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", SECTION, re.M)
    if name != "limit"
}
UNITS = ((timedelta(days=365), "years"), (timedelta(days=1), "days"), (timedelta(hours=1), "h"),
         (timedelta(minutes=1), "min"), (timedelta(seconds=1), "s"))  # fmt: skip


def size(octets: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if octets % unit == 0:
            return f"{octets // unit} {name}"
    return f"{octets:,} bytes"


def time(length: timedelta | float) -> str:
    length = length if isinstance(length, timedelta) else timedelta(seconds=length)
    unit, name = next(each for each in UNITS if not length % each[0])
    count = length // unit
    return f"{count} {name[:-1] if count == 1 and name in ('years', 'days') else name}"


def option(command: str, name: str) -> Any:
    found: Any = bothways
    for word in command.split():
        found = found.get_command(click.Context(found), word)
    (each,) = (option for option in found.params if name in option.opts)
    return each.get_default(click.Context(found))


def has_option(command: str, name: str) -> bool:
    try:
        option(command, name)
    except ValueError:
        return False
    return True


def seconds(length: float) -> str:
    return f"{length:g} s"


HANDSHAKE_TIMEOUT = inspect.signature(ServerConfig).parameters["handshake_timeout"].default
CERTIFICATE_BYTES = inspect.signature(ClientConfig).parameters["max_certificate_bytes"].default
RECORD_SIZE = inspect.signature(ServerConfig).parameters["record_size_limit"].default
FETCH = Fetch(by_caller=True)
GATEWAY, TIMES = GatewayLimits(), Times()
TUNNEL = inspect.signature(tunnel.TunnelSettings).parameters
SHARE = f"1/{places.SHARE}"

SERVING = ("serve", "run", "get")
TAKERS: dict[str | None, tuple[Callable[..., Any], ...]] = {
    "TicketKeys": (ticket_keys.TicketKeys,), "SessionStore": (session_store.SessionStore,),
    "Limits": (Limits,), "SigningPool": (SigningPool,), "Revocation": (Revocation,), "Fetch": (Fetch,),
    "authenticate_client": (Connection.authenticate_client,),
    None: (ServerConfig, start_server, anchors.TrustStore.from_file, GatewayLimits, Times),
}  # fmt: skip

VALUES = {
    # Connections
    "time for a handshake": seconds(HANDSHAKE_TIMEOUT),
    "Certificate message": size(CERTIFICATE_BYTES),
    "compressed Certificate message": (
        f"as one that is not compressed; decompressed at most {size(compression.FREE_OCTETS)}, "
        f"or {compression.OCTETS_PER_BYTE} times the compressed bytes if that is more"
    ),
    "window of zstd in a compressed Certificate message": size(compression.ZSTD_WINDOW),
    "compressed forms of one of our chains that are kept": str(
        certificate_compression.FORMS_PER_CHAIN * len(CertificateCompressionAlgorithm)
    ),
    "content of a protected record, with its type and padding in TLS 1.3": (
        f"{RECORD_SIZE:,} bytes, in TLS 1.2 {protection.LARGEST_RECORD[Version.TLS12]:,}; "
        f"{protection.SMALLEST_RECORD} at least"
    ),
    "ClientHello": f"{flight.CLIENT_HELLO_LIMIT:,} bytes: all that its form allows",
    "any other handshake message": size(flight.MESSAGE_LIMIT),
    "extensions in one list": str(extension_table.MOST_EXTENSIONS),
    "certificates in one message": f"{tls13.MOST_CERTIFICATES}, of which {LIMITS.certificates} are verified",
    "certificate authorities that a server names in its CertificateRequest": (
        f"those of {size(handshake_settings.AUTHORITIES_LIMIT)}; if they are longer, none is named"
    ),
    "elements of any other list (not cipher suites and signature schemes)": f"{fields.MOST_ITEMS:,}",
    "early data that is skipped": f"{size(message_io.EARLY_DATA_LIMIT)}; each record counts as 17 bytes at least",
    "records without content in a row": str(message_io.EMPTY_RECORD_LIMIT),
    "change_cipher_spec records in a handshake of TLS 1.3": str(message_io.EMPTY_RECORD_LIMIT),
    "warnings and HelloRequests without data between them": str(message_io.EMPTY_RECORD_LIMIT),
    "messages without application data in a row": str(messages.IDLE_MESSAGE_LIMIT),
    "post-handshake requests for a certificate": str(client_auth.REQUEST_LIMIT),
    "time for a client's answer to such a request": seconds(HANDSHAKE_TIMEOUT),
    "data of a client before its answer": size(certificate_requests.DATA_LIMIT),
    "age of a session that is resumed, from the signatures of both sides": time(age.DEFAULT_MAX_AGE),
    "certificate chain in a session ticket": (
        f"{size(session.CHAIN_LIMIT)}; a client with a longer one gets no ticket"
    ),
    "tickets of one ClientHello that a server tries to decrypt": str(server_resumption.TICKETS_TRIED),
    "file of ticket keys; value in Redis": f"{size(shared_ring.LARGEST)}; {size(redis_store.LARGEST_STORED)}",
    "how often shared ticket keys are checked for a change: in a file; in Redis": (
        f"{seconds(file_store.FILE_SECONDS)}; {seconds(redis_store.REDIS_SECONDS)}"
    ),
    "time for an answer of Redis": f"{seconds(redis_store.ANSWER_SECONDS)}; no handshake waits for it",
    "secret for ticket keys in Redis, at least": f"{wrapping.SHORTEST_SECRET} bytes",
    "secret of an external pre-shared key": (
        f"{external_psks.SMALLEST_SECRET} to {external_psks.LARGEST_SECRET} bytes"
    ),
    "identity of such a key; name of a party; context": (
        f"{external_psks.IDENTITY_LIMIT:,}; {external_psks.NAME_LIMIT}; {external_psks.CONTEXT_LIMIT:,} bytes"
    ),
    "external pre-shared keys in a set": f"{external_psks.MOST_KEYS:,}",
    "such keys that a client offers to one server": str(handshake_fields.KEYS_OFFERED),
    "pinned raw public keys in a set": f"{pins.MOST_PINS:,}",
    "identities of one ClientHello that a server looks up": str(server_psk.IDENTITIES_TRIED),
    "configurations for encrypted ClientHellos in one list; cipher suites, and extensions, in one of them": (
        f"{extension_table.MOST_ECH_CONFIGS}; {ech_configs.MOST_IN_CONFIG}"
    ),
    "file of such configurations": size(ech_configs.FILE_LIMIT),
    "sessions of TLS 1.2 that a server keeps by ID": f"{session_ids.SESSIONS:,}",
    "servers that a client remembers; sessions for each": (
        f"{session_store.SERVERS}; {session_store.SESSIONS_EACH}"
    ),
    "session ticket that a client keeps": size(session_store.LARGEST_TICKET),
    "cookie of a HelloRetryRequest": size(handshake_negotiation.COOKIE_LIMIT),
    "session tickets that a client keeps of one connection": str(client_resumption.TICKETS_KEPT),
    "signatures that a key held elsewhere makes at once; further ones that may wait": (
        f"{pool.AT_ONCE}; {pool.WAITING}"
    ),
    "time for such a signature": seconds(pool.SECONDS),
    (
        "what one turn of an event loop of `bothways.aio` processes: of a handshake; records, of which a message "
        f"counts for {message_io.RECORDS_A_MESSAGE}; data that is encrypted, each record and call counting for "
        f"{size(sending.SHORT_WRITE)} or more"
    ): f"{size(driver.SLICE)}; {message_io.RECORDS_A_TURN}; {size(sending.SEALED_A_TURN)}",
    (
        "time in one turn of an event loop of `bothways.aio` after which no further work is begun, for all of its "
        "connections; data of one connection that is sent without regard to it"
    ): f"{turns.TURN_SECONDS * 1000:g} ms; {size(sending.UNTIMED)}",
    "data received and not yet decrypted": size(connection.UNOPENED_LIMIT),
    "data read after a refusal, so that the alert arrives": (
        f"{size(driver.LINGER_BYTES)}, {seconds(driver.LINGER_SECONDS)}"
    ),
    "time for which an authenticated peer may read nothing of the last data when we close (asyncio, gateway)": seconds(
        driver.DELIVERY_SECONDS
    ),
    # Before TLS
    "bytes of a server before TLS": size(talk.BYTES_LIMIT),
    "bytes of a client before TLS": size(accepting.CLIENT_LIMITS.total),
    "commands of a client before TLS": (
        f"{accepting.CLIENT_LIMITS.lines}, of {size(accepting.CLIENT_LIMITS.line)} each; "
        f"in LDAP {accept_ldap.REQUESTS_LIMIT} requests, of {size(accept_ldap.REQUEST_LIMIT)} each"
    ),
    "lines before TLS": f"{talk.LINES_LIMIT}, of {size(talk.LINE_LIMIT)} each",
    "message of LDAP or of a database before TLS": size(talk.MESSAGE_LIMIT),
    "tags of XMPP before TLS": f"{xmpp.TAGS_LIMIT}, of {size(xmpp.TAG_LIMIT)} each",
    # Verification
    "certificates in a chain": str(LIMITS.certificates),
    "bytes in a chain": size(LIMITS.octets),
    "certificates in a path, with leaf and anchor, without self-issued ones between them": str(LIMITS.depth),
    "work for one chain": (
        f"{work.FIXED_MICROSECONDS / 1000:g} ms and {work.MICROSECONDS_PER_BYTE:g} us for each byte, "
        f"{work.MOST_MICROSECONDS / 1000:g} ms at most; {size(work.FIXED_OCTETS)} and "
        f"{work.OCTETS_PER_BYTE} bytes for each byte"
    ),
    "attributes in a distinguished name": str(distinguished_names.ATTRIBUTES_LIMIT),
    "characters of a string beyond ASCII in a distinguished name": str(distinguished_names.FOLDED_LIMIT),
    "extensions in a certificate": str(extensions.EXTENSIONS_LIMIT),
    "names in one list of a certificate": f"{general_names.NAMES_LIMIT:,}",
    "object identifier of a certificate policy": f"{policies.OID_LIMIT} bytes",
    "RSA modulus": f"{constraints.MIN_RSA_BITS} to {constraints.MAX_RSA_BITS} bits",
    "RSA exponent": f"{work.MAX_EXPONENT_BITS} bits; 64 bits if the modulus has more than 3072",
    "reasons in a verdict": f"{reasons.MOST_REASONS}, of one kind for one certificate {reasons.MOST_OF_A_KIND}",
    "broken rules of the web profile for one path": str(web_profile.MOST_REASONS),
    "remembered signatures in a TrustStore": str(anchors.REMEMBERED_PATHS),
    "remembered certificates in a TrustStore": str(anchors.REMEMBERED_CERTIFICATES),
    "file of certificates or keys": size(files.MAX_FILE),
    "time to wait for the content of a pipe in place of such a file": seconds(files.PIPE_SECONDS),
    "passphrase in a file": f"{passphrase.PASSPHRASE_LIMIT:,} characters",
    "iterations of a key file or PKCS#12 file": (
        f"{key_derivation.MOST_ITERATIONS:,}; scrypt {size(key_derivation.MOST_SCRYPT * 64)}"
    ),
    # Revocation
    "tolerance at the start and end of CRLs and OCSP responses": time(Revocation(fetch=FETCH).tolerance),
    "validity of an OCSP response without nextUpdate": time(trust_ocsp.MAX_AGE),
    "CRL from a file": size(files.MAX_CRL_FILE),
    "CRL without its entries": size(trust_crl.MAX_HEADER),
    "CRLs kept that are not known to be signed by their issuer": (
        f"{crl_store.MOST_UNPROVEN}, {size(crl_store.MOST_UNPROVEN_OCTETS)}"
    ),
    "OCSP responses kept about one certificate that are not known to be signed": str(ocsp_store.MOST_UNPROVEN),
    "single responses in an OCSP response; certificates in it that are used": (
        f"{trust_ocsp.MAX_RESPONSES}; {trust_ocsp.MAX_DELEGATES}"
    ),
    # Fetching evidence
    "time for one round": seconds(FETCH.seconds),
    "rounds for one peer": str(fetched.ROUNDS),
    "requests for one peer": str(FETCH.requests),
    "redirects in a row": str(FETCH.redirects),
    "URLs tried for one request; addresses tried for one URL": (
        f"{fetcher.MOST_LOCATIONS}; {fetcher.MOST_ADDRESSES}"
    ),
    "time to look up the name of a host to listen on": seconds(listening.LOOKUP_SECONDS),
    "lookups of host names at once, also of backends; of one name, of which another is begun after": (
        f"{name_lookup.MOST_LOOKUPS}; {name_lookup.MOST_OF_A_NAME}; {seconds(name_lookup.AGAIN_SECONDS)}"
    ),
    "OCSP response": size(http_exchange.MAX_RESPONSE_BYTES),
    "CRL": size(FETCH.max_list_bytes),
    "head of an HTTP response": size(transport.HEAD_LIMIT),
    "ports": ", ".join(map(str, FETCH.ports)),
    "URL": f"{locations.LONGEST} characters",
    "fetches at once": "{ocsp} OCSP, {crl} CRLs".format(**fetcher.CONCURRENT),
    "use of fetched evidence before it is fetched again": time(FETCH.keep),
    "repetition after a failure": f"after {seconds(cache.SHORT_TIME.total_seconds())}",
    "cache in memory": f"{size(cache.MOST_BYTES)}, {cache.MOST_ENTRIES} entries",
    "cache on disk": f"{size(disk_cache.MOST_BYTES)}, {disk_cache.MOST_FILES} files",
    # Rules that are expressions
    "characters of an expression; of all in a route or a server": f"{cel.MOST_CHARACTERS}; {cel.MOST_TOGETHER}",
    "expressions in a route or a server": str(cel.MOST_EXPRESSIONS),
    "names of one kind in a certificate that an expression is given": str(cel.MOST_VALUES),
    "bytes of such a name; of a whole subject or issuer": f"{cel.MOST_BYTES}; {cel.MOST_NAME_BYTES}",
    "URIs of a certificate that a deny rule with `*` compares; it holds for one with more": str(kinds.MOST_URIS),
    # Our own CA as a source of a gateway
    "lifetime of a certificate that is issued for a gateway": f"{authority_config.LIFETIME_HOURS} h",
    "part of the lifetime after which another one is issued": str(
        Fraction(authority_source.RENEWED_AFTER).limit_denominator(10)
    ),
    "how often the directory is checked for a change; pause after a failure": (
        f"{seconds(authority_source.LOOK_SECONDS)}; {seconds(authority_source.PAUSE_SECONDS)}"
    ),
    "time to wait for other issuers": seconds(authority_source.LOCK_SECONDS),
    # SPIFFE Workload API
    "response of an agent": size(svid_messages.MOST_BYTES),
    "SVIDs; bundles of federated trust domains": f"{svid_messages.MOST_SVIDS}; {svid_messages.MOST_BUNDLES}",
    "certificates in a chain or a bundle of an agent": str(svid_messages.MOST_CERTIFICATES),
    "fields of a message of an agent": str(protobuf.MOST_FIELDS),
    "frames of an agent without content: at once; further ones each second": (
        f"{http2_budget.COST_AT_ONCE:g}; {http2_budget.COST_PER_SECOND:g}"
    ),
    "time for which what an agent has sent is read without a pause": f"{workload_api.AT_ONCE_SECONDS * 1000:g} ms",
    "time for the first SVID when a command or a gateway starts": seconds(workload_api.FIRST_SECONDS),
    "pauses between attempts to reach an agent": (
        f"{seconds(workload_api.FIRST_PAUSE)}, doubled up to {seconds(workload_api.LONGEST_PAUSE)}"
    ),
    # Servers
    "connections of `serve` after the handshake": str(option("serve", "--connections")),
    "handshakes in progress of `serve`": f"as many, {admission.HANDSHAKES} at least",
    "time for a ClientHello to `serve`": (
        f"{seconds(serving.HELLO_SECONDS)}, or the handshake's time if shorter"
    ),
    "connection of `serve` without data": (
        f"{seconds(serve.IDLE_SECONDS)}; {seconds(serve.FORWARD_IDLE_SECONDS)} with `--forward`"
    ),
    "half-closed connection of `serve`": seconds(services.HALF_CLOSED_SECONDS),
    "request to `serve --page`": f"{seconds(page.REQUEST_SECONDS)}, {size(page.HEAD_LIMIT)}",
    "handshakes in progress of `bothways.aio` servers": str(aio_admission.HANDSHAKES),
    "worker processes of one service": f"{supervisor.MOST_WORKERS:,}",
    "time for `serve --forward` to connect to the service behind it": seconds(services.CONNECT_SECONDS),
    "connections of `run` in each process": str(option("run", "--connections")),
    "connection of `run` without data": seconds(option("run", "--idle-timeout")),
    "time for requests to finish when `run` ends": seconds(run.GRACE_SECONDS),
    "one address or IPv6 /64, of each of these": SHARE,
    "files and sockets that a command has to be able to open: one that connects; one that serves, and `demo`": (
        f"{CLIENT_DESCRIPTORS}; {SERVER_DESCRIPTORS}"
    ),
    "pauses before a worker that was ready, and ended, is started again": (
        f"{supervisor.FIRST_DELAY} to {seconds(supervisor.LONGEST_DELAY_SERVED)}"
    ),
    "pauses before a worker that never was ready is started again": (
        f"{supervisor.FIRST_DELAY} to {seconds(supervisor.LONGEST_DELAY_FAILED)}"
    ),
    "new objects until a full pass of the garbage collector in a server; blocks of memory until one looks at all": (
        f"{prod(each + 1 for each in garbage.THRESHOLDS):,}; twice those before, {garbage.SPARE:,} and "
        f"{garbage.PER_CONNECTION:,} for each connection"
    ),
    # Gateway
    "verified connections of `gateway`": str(GATEWAY.connections),
    "handshakes in progress of `gateway`; one address 1/4 of them": str(GATEWAY.handshakes),
    "connections of one address or IPv6 /64 to `gateway`": str(GATEWAY.per_address),
    "connections of clients with the same names to `gateway`": str(GATEWAY.per_identity),
    "bytes of a client of `gateway` before it is verified": size(GATEWAY.bytes_before_verdict),
    "time for a ClientHello to `gateway`; for the handshake": f"{seconds(TIMES.hello)}; {seconds(TIMES.handshake)}",
    "connections to `gateway` whose PROXY header is not complete": str(GATEWAY.handshakes),
    "PROXY header to `gateway`; the time for it": f"{proxy_header.MOST_BYTES} bytes; {seconds(TIMES.hello)}",
    "time for `gateway` to connect to a backend": seconds(TIMES.connect),
    "connection of `gateway` without data; half-closed": f"{seconds(TIMES.idle)}; {seconds(TIMES.half_closed)}",
    "time for connections to end when `gateway` ends": seconds(TIMES.drain),
    "time for a worker of `gateway` to apply a new configuration": (
        f"{seconds(generation.TAKE_SECONDS)}; then it serves nobody until it has, "
        f"and is killed after {seconds(generation.TAKE_SECONDS)} without progress"
    ),
    "time for the new `gateway` to be ready after SIGUSR2": (
        f"{seconds(handover.READY_SECONDS)}; then the old one continues"
    ),
    "configuration file of `gateway`": size(strict_toml.MOST_BYTES),
    "listeners in it; addresses and networks in `proxy_from` of one": (
        f"{gateway_config.MOST_LISTENERS}; {gateway_proxies.MOST_NETWORKS}"
    ),
    "connections of an operator to `[metrics]` of `gateway`, in each worker; the time for a request": (
        f"{operator.MOST_CONNECTIONS}; {seconds(operator.PATIENCE.head)}"
    ),
    "identities of clients that have a metric of their own; the others are counted together": str(
        snapshot.IDENTITIES
    ),
    "connections on the status page of `gateway`; codes of refusals in each worker; ladders that it draws": (
        f"{status_page.CONNECTIONS}; {refusals.GROUPS}; "
        f"{refusals.AT_ONCE} at once, then one in {seconds(refusals.EVERY_SECONDS)}"
    ),
    "time to wait for a log of `gateway` whose reader takes nothing; then lines are lost until it does": seconds(
        log_output.PATIENCE_SECONDS
    ),
    "entry of the audit file of `gateway`; time to wait for its lock": (
        f"{size(audit_file.ENTRY_LIMIT)}; {seconds(audit_file.LOCK_SECONDS)}"
    ),
    "memory for the counters of a worker of `gateway`; for its state": (
        f"{size(shared_memory.NUMBERS_BYTES)}; {size(board.STATE_BYTES)}"
    ),
    # HTTP of a gateway
    "requests at once on a connection of HTTP/2": str(link2.STREAMS),
    "requests of one connection to `gateway` that are in progress at a service of HTTP/1.1; others wait": (
        str(http_services.BUSY)
    ),
    "connections of one client of `gateway` to its service that are kept for other requests": str(http_services.IDLE),
    "times that a request is made again after a service of HTTP/2 has refused it": (
        f"{conversation_of_gateway.REFUSALS - 1}"
    ),
    "head of a request to `gateway`; header fields in it": (
        f"{size(http_messages.HEAD_LIMIT)}; {http_messages.FIELDS_LIMIT}"
    ),
    "length that Content-Length may say": "2^63 - 1" * (http_messages.LENGTH_LIMIT == 2**63 - 1),
    "head of a response to `gateway`": size(http_messages.RESPONSE_HEAD_LIMIT),
    "informational responses before the response to one request": str(forward.INFORMATIONAL),
    "heads of one response of HTTP/2 that wait to be forwarded": str(client2.MOST_HEADS),
    "header fields that tell a service who its client is": size(identity_fields.MOST_BYTES),
    "part of a body that `gateway` buffers, in each direction": size(http_messages.PIECE),
    "bytes of bodies that a peer of HTTP/2 may send ahead, in a stream; in all": (
        f"{size(link2.STREAM_WINDOW)}; {size(link2.CONNECTION_WINDOW)}"
    ),
    "time for the head of a request to `gateway`; for the next piece of its body": (
        f"{seconds(TIMES.request_head)}; {seconds(TIMES.request_body)}"
    ),
    "time for a service of `gateway` to answer a request": seconds(TIMES.response),
    "time between requests to `gateway`": seconds(TIMES.keep_alive),
    "frames of HTTP/2 without content: at once; further ones each second": (
        f"{http2_budget.COST_AT_ONCE:g}; {http2_budget.COST_PER_SECOND:g}"
    ),
    "number of such frames that a peer may send for each part of a body that it gets": (
        f"{http2_budget.ANSWERS_TO_PART:g}"
    ),
    "number of such frames that the reset of a stream counts as": f"{http2_budget.COST_OF_RESET:g}",
    "fields of one head of HTTP/2 that end its stream at most, beyond which the connection ends": (
        f"{http2_receiver.DECOMPRESSED} times what the peer was told"
    ),
    "table by which heads of HTTP/2 to a peer are compressed; changes of its size in one head": (
        f"at most {http2_engine.TABLE_LIMIT} bytes; {http2_engine.SIZE_UPDATES}"
    ),
    "streams of a connection of HTTP/2 of which is remembered how they ended": f"{http2_engine.CLOSED_STREAMS}",
    # Redis shared by gateways
    "time for which a client of `gateway` waits for a shared count; then the count of the process decides": seconds(
        shared_limits.ANSWER_SECONDS
    ),
    "pauses of `gateway` before it asks Redis again after a missing answer": (
        f"{seconds(store_client.FIRST_PAUSE)}, doubled up to {seconds(store_client.LONGEST_PAUSE)}"
    ),
    "shared counts of `gateway` are renewed; forgotten within": (
        f"{seconds(shared_limits.RENEW_SECONDS)}; {seconds(shared_limits.FORGET_SECONDS)}"
    ),
    "answers of Redis to one request of `gateway`, unless it requests more; values in one": (
        f"{size(store_answers.MOST_OCTETS)}; {store_answers.MOST_ELEMENTS}"
    ),
    "how often a process asks for revocation news; the time for each answer": (
        f"{seconds(revocation_news.LOOK_SECONDS)}; {seconds(news_store.ANSWER_SECONDS)}"
    ),
    "a CRL or an OCSP response among revocation news": size(news_index.LARGEST_NEWS),
    "revocation news that are listed in Redis; their lifetime there": (
        f"{news_index.MOST_LISTED}; {news_store.LIFETIME_SECONDS / 3600:g} h"
    ),
    "revocation news that a process reads or publishes in one round": (
        f"{revocation_news.MOST_AT_ONCE} and {size(revocation_news.MOST_OCTETS_AT_ONCE)}"
    ),
    "revocation news that a process keeps to use; to publish again": (
        f"{news.MOST_NEWS} and {size(news.MOST_NEWS_OCTETS)}; "
        f"{news_kept.MOST_OWN} and {size(news_kept.MOST_OCTETS_OWN)}"
    ),
    "revocation news kept until their CA is known; CAs of verified clients that are remembered for this": (
        f"{news_kept.MOST_WAITING} and {size(news_kept.MOST_OCTETS_WAITING)}; {news_check.MOST_ISSUERS}"
    ),
    "time within which gateways publish again the news that Redis has lost": seconds(revocation_news.SPREAD_SECONDS),
    # `tunnel` and `connect`
    "connections of `tunnel`": str(tunnel.CONNECTIONS),
    "connection of `tunnel` without data; half-closed": (
        f"{seconds(TUNNEL['idle'].default)}; {seconds(TUNNEL['half_closed'].default)}"
    ),
    "`connect`: connecting and the handshake; each wait for data after the end of the input": seconds(
        option("connect", "--timeout")
    ),
    "`connect`: an answer after the end of the input, before our direction is closed": seconds(
        conversation.ENDS_AFTER
    ),
    "`connect`: time until a connection whose host acknowledges nothing is given up (Linux)": seconds(
        conversation.DEAD_AFTER["TCP_USER_TIMEOUT"] / 1000
    ),
    # Logs
    "log lines about refused revocation news": f"one in {seconds(revocation_news.QUIET_SECONDS)}",
    "reports of failed clients, one address": (
        f"{report_limits.AT_ONCE}, then one in {seconds(report_limits.EVERY_SECONDS)}"
    ),
    "reports of failed clients, all addresses": (
        f"{report_limits.ALL_AT_ONCE}, then one in {seconds(report_limits.ALL_EVERY_SECONDS)}"
    ),
    "an error in the log of `bothways`": f"{LOG_LIMIT} characters",
    # HTTP client
    "connecting, handshake, each read or write": seconds(option("get", "--timeout")),
    "everything": seconds(option("get", "--max-time")),
    "body of the response": size(option("get", "--max-size")),
    "head of the response": size(stream.HEAD_LIMIT),
    "body of the request": size(get.DATA_LIMIT),
    "redirects with `--location`": str(http_request.REDIRECTS),
    "URL that `get` requests": f"{location.URL_LIMIT:,} characters",
    # Certification authority
    "lifetime of a certificate for servers, clients and peers": time(profiles.LIFETIMES[profiles.Profile.PEER]),
    "lifetime of an OCSP signer's certificate": time(profiles.LIFETIMES[profiles.Profile.OCSP]),
    "lifetime of an issuing CA": time(profiles.LIFETIMES[profiles.Profile.SUB_CA]),
    "lifetime of a root CA": time(profiles.ROOT_LIFETIME),
    "start of validity before the time of issue": time(authority.BACKDATE),
    "serial number": f"{authority.SERIAL_BYTES * 8} bits",
    "alternative names in a certificate": str(profiles.NAME_LIMIT),
    "certificates in a CRL partition": f"{option('ca init', '--partition') or crl_schedule.PARTITION_SIZE:,}",
    "validity of a CRL": (
        f"{time(crl_schedule.CRL_LIFETIME)}; delta CRL {time(crl_schedule.DELTA_LIFETIME)}; "
        f"the root's {time(crl.ROOT_CRL_LIFETIME)}"
    ),
    "CRL made again at each change": f"up to {crl_schedule.SMALL_LIMIT:,} entries, else once a day",
    "complete CRL made by `ca serve`, where there are partitions": f"up to {crl_schedule.LARGE_LIMIT:,} entries",
    "validity of an OCSP response": f"{ocsp.RESPONSE_LIFETIME // timedelta(hours=1)} h",
    "HTTP caching of OCSP responses and CRLs; of delta CRLs; of CA certificates": "; ".join(
        time(each) for each in (app.MAX_AGE, app.DELTA_MAX_AGE, app.CERTIFICATE_MAX_AGE)
    ),
    "OCSP responses that `ca serve` keeps in memory; CRLs": f"{ocsp_cache.LIMIT:,}; {size(ca_worker.CRL_CACHE_LIMIT)}",
    "connections of `ca serve`": f"{server.CONNECTIONS}, one address or IPv6 /64 {SHARE} of them",
    "request to `ca serve`": (
        f"{seconds(slow_clients.REQUEST_SECONDS)}; after {seconds(slow_clients.GRACE_SECONDS)} "
        f"at least {slow_clients.LEAST_RATE:g} bytes/s"
    ),
    "OCSP request": size(ocsp.REQUEST_LIMIT),
    "response of `ca serve`": (
        f"{seconds(slow_clients.RESPONSE_SECONDS)}; after {seconds(slow_clients.GRACE_SECONDS)} "
        f"at least {slow_clients.LEAST_RATE:g} bytes/s"
    ),
    "OCSP responses signed before, while the register cannot be reached": time(ocsp_cache.UNAVAILABLE_GRACE),
    "time that an issuer waits for others": seconds(database.LOCK_SECONDS),
    "time after which PostgreSQL ends an idle transaction": seconds(database.IDLE_SECONDS),
    "attempts for one transaction": str(database.ATTEMPTS),
    "encryption of keys": (
        f"scrypt with {size(128 * key_encryption.COST * key_encryption.BLOCK_SIZE)}, "
        f"{key_encryption.PARALLEL} passes; AES-256"
    ),
}  # fmt: skip


def test_every_limit_on_the_page_is_compared_with_the_code_and_no_other() -> None:
    assert list(ROWS) == list(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_a_limit_on_the_page_is_that_of_the_code(name: str) -> None:
    assert ROWS[name][0] == VALUES[name]


@pytest.mark.parametrize("name", [name for name, (_, setting) in ROWS.items() if setting != "-"])
def test_a_setting_on_the_page_exists(name: str) -> None:
    for setting in re.findall(r"`([^`]+)`", ROWS[name][1]):
        kind, name_of_option = re.fullmatch(r"(?:([A-Za-z_ ]+)[ (])?([a-z_-]+)=?\)?", setting).groups()  # type: ignore[union-attr]
        if name_of_option.startswith("--"):
            assert any(has_option(command, name_of_option) for command in ([kind] if kind else SERVING))
        else:
            assert name_of_option in {
                name for each in TAKERS[kind] for name in inspect.signature(each).parameters
            }


def test_the_lists_of_a_configuration_on_the_page_are_those_of_the_code() -> None:
    """What is spelled out, in its order of preference."""
    (versions, suites, groups, schemes) = (
        re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.M)[0]
        for name in ("versions", "cipher suites", "groups", "signature schemes")
    )
    assert versions.startswith("TLS {} and {};".format(*defaults("versions")))
    assert re.findall(r"TLS_\w+", suites) == [each for each in defaults("suites") if "ECDHE" not in each]
    assert groups.startswith(", ".join(defaults("groups")) + ".")
    named = [each for each in defaults("schemes") if not each.startswith("rsa_")]
    assert [each for each in re.findall(r"\b[a-z]\w*\d\w*", schemes) if each in defaults("schemes")] == named
    assert "TLS 1.2: the same ciphers with ECDHE_ECDSA, then with ECDHE_RSA." in suites
    legacy = [each.split("_WITH_")[0] for each in defaults("suites") if "ECDHE" in each]
    assert legacy == ["TLS_ECDHE_ECDSA"] * 3 + ["TLS_ECDHE_RSA"] * 3


def defaults(name: str) -> tuple[str, ...]:
    value: tuple[str, ...] = inspect.signature(ServerConfig).parameters[name].default
    assert value == inspect.signature(ClientConfig).parameters[name].default
    return value


IN_WORDS = {4: "four", 6: "six", 7: "seven", 10: "ten"}
# What other pages say of the same, or of limits of one command.
SAID: dict[str, tuple[str, ...]] = {
    "asyncio": (f"({aio_admission.HANDSHAKES} by default)",),
    "calling-an-api": (
        f"A body of {size(exchange.FIRST_WINDOW + 1)} or more is sent",
        f"`--timeout` ({option('get', '--timeout'):g} seconds)",
        f"`--max-time` ({option('get', '--max-time'):g} seconds)",
        f"`--max-size` ({size(option('get', '--max-size'))})",
        f"{size(stream.HEAD_LIMIT)} for its head; {size(get.DATA_LIMIT)} for the body of the request",
    ),
    "doctor": (
        f"at most {examination.CONNECTION_LIMIT} connections",
        f"by default {option('doctor', '--timeout'):g} |",
        f"in the first {size(service_reply.LOOKED_AT)} of its reply",
    ),
    "gateway": (
        f"A header has at most {proxy_header.MOST_BYTES} bytes",
        f"At most {tunnel.CONNECTIONS} connections are open at once",
        (
            f"has at most {cel.MOST_CHARACTERS} characters, and those of a route or of a server "
            f"{cel.MOST_TOGETHER} together"
        ),
        f"locks the register for more than {authority_source.LOCK_SECONDS:g} seconds",
        f"tries again every {authority_source.PAUSE_SECONDS:g} seconds",
    ),
    "running-a-gateway": (
        f"at most {shared_limits.ANSWER_SECONDS:g} seconds for the shared count",
        f"removed within {shared_limits.FORGET_SECONDS:g} seconds",
        f"complete again within {shared_limits.RENEW_SECONDS:g} seconds",
        f"in slices of {turns.TURN_SECONDS * 1000:g} ms",
        f"Files are checked {IN_WORDS[round(1 / current.LOOK_SECONDS)]} times a second",
        f"have not changed for {current.SETTLED_SECONDS:g} s",
        f"is checked {IN_WORDS[round(1 / routes.LOOK_SECONDS)]} times a second",
        f"in the last {IN_WORDS[renewal.PART]}th of its lifetime, or in its last {IN_WORDS[renewal.SOON.days]} days",
        f"After {generation.TAKE_SECONDS:g} seconds a worker serves nobody until it has done so",
        f"for {generation.TAKE_SECONDS:g} seconds it is killed",
        f"not ready within {handover.READY_SECONDS:g} seconds",
        f"Up to {news_kept.MOST_WAITING} pieces of news of other CAs are kept",
        f"over {news_index.LARGEST_NEWS // 2**20} MiB. A process keeps at most {news.MOST_NEWS:,} news",
        f"the first {news_index.HEAD} bytes of an index once a second",
        f"shortened to {gateway_log.NAME_LIMIT} characters",
        f"at most {gateway_log.NAMES_SHOWN} of each) of the verified certificate",
        (
            f"for each address {report_limits.AT_ONCE} lines are written at once and one more every "
            f"{report_limits.EVERY_SECONDS:g} seconds, for all addresses together {report_limits.ALL_AT_ONCE} "
            f"and one every {report_limits.ALL_EVERY_SECONDS:g} seconds"
        ),
        (
            f"At most {status_page.CONNECTIONS} connections of clients, {status_page.CONNECTIONS} through tunnels and "
            f"{status_page.ROWS} codes of refusals are shown"
        ),
        f"cannot be locked within {audit_file.LOCK_SECONDS * 1000:g} ms",
    ),
    "ladder": (
        (
            f"({size(json_form.SIZE_LIMIT)} in all, {json_form.ITEM_LIMIT} items in a list, "
            f"{json_form.TEXT_LIMIT // 1024} Ki characters in a text)"
        ),
    ),
    "serving": (
        f"closed after {option('run', '--idle-timeout'):g} seconds",
        f"more than {option('run', '--connections')} connections in a process",
    ),
    "show": (
        (
            f"{document.ITEMS_SHOWN} names, {describe_extensions.EXTENSIONS_SHOWN} extensions, "
            f"{describe_crl.REVOKED_SHOWN} entries, {document.ROWS_SHOWN} rows in all"
        ),
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_limits_on_other_pages_are_those_of_the_code(name: str) -> None:
    page = " ".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())
    for sentence in SAID[name]:
        assert sentence in page
