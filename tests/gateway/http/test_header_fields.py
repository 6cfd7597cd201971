"""Header fields of a client that pass, and those that the gateway alone may write."""

from __future__ import annotations

import pytest

from bothways.gateway.http.header_fields import (
    folded,
    forwarded_fields,
    is_set_by_gateway,
    request_fields,
    response_fields,
    trailer_fields,
)
from bothways.gateway.http.messages import RefusedRequest, ServiceFailed

FORGED = [
    "Client-Cert",
    "client-cert",
    "CLIENT_CERT",
    "Client_Cert-Chain",
    "Client.Cert",
    "Client~Cert",
    "X-Forwarded-Client-Cert",
    "x_forwarded_client_cert",
    "X-Forwarded-For",
    "X-FORWARDED_PROTO",
    "X-Forwarded-User",
    "X-Forwarded-Tls-Client-Cert-Info",
    "Forwarded",
    "X-Real-IP",
    "X-SSL-Client-Verify",
    "X_SSL_CLIENT_S_DN",
    "SSL_CLIENT_VERIFY",
    "ssl-client-subject-dn",
    "X-Client-Cert",
    "X-Client-Verify",
    "X-ClientCert",
    "X-SSLClientCert",
    "X-Forwarded",
    "WL-Proxy-Client-Cert",
    "wl_proxy_ssl",
    "$WSCC",
    "X-Amzn-Mtls-Clientcert",
    "X-ARR-ClientCert",
    "Cf-Client-Cert-Der-Base64",
    "X-Remote-User",
    "Remote_User",
    "Proxy",
    "X-SPIFFE-ID",
    "X_Authenticated_User",
    "X-WEBAUTH-USER",
    "X-Goog-Authenticated-User-Email",
    "X-Envoy-External-Address",
    "ClientCert",
    "X-Originating-IP",
    "X-Original-URL",
    "X_Rewrite_Url",
    "Front-End-Https",
    "SSLClientCertSubject",
    "X-MTLS-Client-Cert",
    "mtls_client_cert",
    "Client-Verify",
    "CLIENT_DN",
    "X-Peer-Certificate",
    "Remote_Groups",
    "SM_USER",
    "X-MS-Client-Principal-Name",
    "X-Consumer-Username",
    "Proxy-SSL-ID",
    "Proxy_Auth_Cert",
    "X-Proxied-Https",
    "X-Scheme",
    "X-Original-Host",
]
PASS = [
    "Accept",
    "Authorization",
    "Cookie",
    "X-Request-ID",
    "Client",
    "X-Auth-Token",
    "X-Authorization",
    "X-My_Header",
    "Sec-WebSocket-Key",
]


def pairs(*names: str) -> list[tuple[bytes, bytes]]:
    return [(each.lower().encode(), b"x") for each in names]


@pytest.mark.parametrize("name", FORGED)
def test_a_field_by_which_proxies_tell_of_a_client_never_passes_in_any_spelling(name: str) -> None:
    """Services read `_` as `-` (RFC 3875 4.1.18), and some of them other characters too."""
    assert is_set_by_gateway(name.encode())
    assert request_fields(pairs(name, "accept")) == pairs("accept")
    assert trailer_fields(pairs(name, "x-checksum")) == pairs("x-checksum")


@pytest.mark.parametrize("value", [b"a\0", b"\x1b[2J", b"a\x7f", b"\x01", b"a\rb", b"a\nb", b"\x0b"])
def test_a_value_with_a_control_character_passes_neither_before_a_body_nor_behind_it(value: bytes) -> None:
    with pytest.raises(RefusedRequest, match="control"):
        request_fields([(b"x", value)])
    assert trailer_fields([(b"x", value), (b"y", b"a\tb\xff")]) == [(b"y", b"a\tb\xff")]
    with pytest.raises(ServiceFailed, match="field that HTTP has not"):
        response_fields([(b"x", value)])
    assert response_fields([(b"y", b"a\tb\xff")]) == [(b"y", b"a\tb\xff")]


@pytest.mark.parametrize("name", [b"", b"x y", b"x(y", b"x\xff", b"x:"])
def test_a_name_of_a_response_is_a_token(name: bytes) -> None:
    """RFC 9110 5.1: HTTP/2 allows others, which HTTP/1.1 has not."""
    with pytest.raises(ServiceFailed, match="field that HTTP has not"):
        response_fields([(name, b"y")])


def test_other_fields_pass_as_they_are() -> None:
    assert request_fields(pairs(*PASS)) == pairs(*PASS)


def test_fields_of_one_connection_and_those_that_it_names_stay_behind() -> None:
    """RFC 9110 7.6.1."""
    fields = [
        (b"connection", b"X-One , keep-alive"),
        (b"connection", b"x-two"),
        *pairs("x-one", "x-two", "x-three", "keep-alive", "te", "trailer", "upgrade", "transfer-encoding"),
        *pairs("transfer_encoding", "content_length", "proxy-authorization", "http2-settings", "host"),
    ]
    assert request_fields(fields) == pairs("x-three")
    assert response_fields([(b"connection", b"close, x-one"), *pairs("x-one", "etag")]) == pairs("etag")


@pytest.mark.parametrize("name", [b"Host", b"content-length", b"Cookie", b"authorization"])
def test_a_client_that_would_have_a_field_of_the_request_removed_is_refused(name: bytes) -> None:
    with pytest.raises(RefusedRequest, match="Connection names a field that belongs to the request"):
        request_fields([(b"connection", b"close, " + name)])


def test_fields_that_frame_or_route_a_message_are_refused_as_trailers() -> None:
    """RFC 9110 6.5.1."""
    names = ("content-length", "Transfer_Encoding", "host", "authorization", "set-cookie", "connection")
    assert trailer_fields(pairs(*names, "grpc-status")) == pairs("grpc-status")


def test_a_service_is_told_from_where_a_request_came() -> None:
    told = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.example:8443")]
    assert forwarded_fields("fe80::1%eth0", b"app.example:8443") == [(b"x-forwarded-for", b"fe80::1"), *told]
    assert forwarded_fields(None, b"app.example:8443") == told


def test_names_are_folded_as_the_loosest_service_does() -> None:
    assert folded(b"X_Forwarded.Client~Cert9") == b"x-forwarded-client-cert9"
