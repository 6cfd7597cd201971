"""What the network says means different things before and after each message."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace

import pytest

import identities
from bothways.diagnosis import HandshakeFacts, Observed, OwnSide, Probed, Situation, Weight, explain
from bothways.diagnosis.situation import AcceptedCertificates
from bothways.errors import PeerFault, TimedOut, Truncated
from bothways.faults import Fault
from bothways.roles import Progress, Role, StepId
from bothways.tls.events import Failed
from diagnosis.own_side.test_chain import LATE, holder
from diagnosis.talks import client, first, talk
from diagnosis.test_stacks import BORINGSSL, OPENSSL_3_0
from pair import Pair

RESET = ConnectionResetError(104, "Connection reset by peer")


def cut(config, flights: int, error: Exception, role: str = "client", port: int = 8443):
    """End the connection after so many flights of the server, and explain it to one side."""
    observed = HandshakeFacts(
        config if role == "client" else identities.server_config(), "localhost", address=f"localhost:{port}"
    )
    observers = {"client": (observed, None), "server": (None, observed)}[role]
    server = identities.server_config()
    pair = Pair(
        config.connection("localhost", observer=observers[0]), server.connection(observer=observers[1])
    )
    for _ in range(flights):
        pair.server.receive(pair.client.data_to_send())
        pair.client.receive(pair.server.data_to_send())
    pair.client.data_to_send()
    return explain(error, observed.situation())


@pytest.mark.parametrize("error", [Truncated("server", step=StepId("1.2")), RESET], ids=repr)
@pytest.mark.parametrize(("port", "cause"), [(8443, "BACKEND_DOWN"), (12345, "SPEAKS_PLAIN")])
def test_a_close_at_the_hello_tells_no_service_without_tls_from_what_stands_before_one(
    error: Exception, port: int, cause: str
) -> None:
    """At a port where TLS is usual, another protocol is the last to think of."""
    found = cut(client(), 0, error, port=port)
    assert first(found) == (cause, "the peer's")
    assert "before it sent anything in TLS" in found.usually
    names = {each.cause.name for each in found.causes if each.weight is Weight.POSSIBLE}
    assert {"SPEAKS_PLAIN", "BACKEND_DOWN", "WANTS_PROXY_HEADER", "NAME_ROUTED", "LETS_NOT_IN"} <= names
    assert found.first.weight is Weight.POSSIBLE


def test_a_client_that_connected_by_address_may_lack_the_name_by_which_a_router_selects() -> None:
    """A router by server name without a default closes for a hello without one."""
    own = OwnSide(Role.CLIENT, address="192.0.2.7:12345", server_name="192.0.2.7")
    found = explain(Truncated("server", step=StepId("1.2")), Situation(own, Observed(sent=("ClientHello",))))
    assert first(found) == ("SPEAKS_PLAIN", "the peer's")
    assert "NO_NAME_SENT" in [each.cause.name for each in found.causes[:4]]


@pytest.mark.parametrize(
    ("port", "cause"), [("5432", "SPEAKS_DATABASE"), ("80", "SPEAKS_HTTP"), ("25", "SPEAKS_MAIL")]
)
def test_the_port_names_the_service_that_closed(port: str, cause: str) -> None:
    config = identities.client_config()
    observed = HandshakeFacts(config, "localhost", address=f"localhost:{port}")
    config.connection("localhost", observer=observed)
    assert explain(RESET, observed.situation()).first.cause.name == cause


def test_a_close_after_our_certificate_is_a_refusal() -> None:
    assert first(cut(identities.client_config(), 1, RESET)) == ("NO_CERTIFICATE", "ours")
    assert first(cut(client(holder(**LATE)), 1, RESET)) == ("EXPIRED", "ours")
    assert first(cut(client(identities.stranger()), 1, RESET)) == ("CA_NOT_ACCEPTED", "ours")
    assert first(cut(client(), 1, RESET)) == ("NOT_LET_IN", "ours")


def test_a_server_that_is_cut_in_its_first_record_had_begun_to_answer() -> None:
    """Neither a service without TLS nor one that closes for our hello."""
    config = client()
    observed = HandshakeFacts(config, "localhost", address="localhost:8443")
    end = config.connection("localhost", observer=observed)
    end.receive(b"\x16\3\3\0\x5a\2\0")
    [failed] = end.receive_eof()
    assert isinstance(failed, Failed)
    found = explain(failed.error, observed.situation())
    assert [each.cause.name for each in found.causes] == ["PEER_STOPPED", "DEVICE_BETWEEN", "CUT"]


def test_a_client_that_closes_before_its_hello_is_a_probe() -> None:
    found = cut(client(), 0, Truncated("client", step=StepId("1.1")), "server")
    assert first(found) == ("PROBE", "the peer's")


def test_a_close_of_an_established_connection_is_not_about_certificates() -> None:
    made = talk()
    made.pair.server.send(b"data")
    made.pair.exchange()
    causes = explain(RESET, made.client.situation()).causes
    assert {each.cause.name for each in causes} == {"PEER_STOPPED", "CUT"}


def test_an_end_without_close_notify_after_our_own_close_may_be_intended() -> None:
    """As Redis and MariaDB do: what they said may be whole."""
    made = talk()
    made.pair.server.send(b"+PONG")
    made.pair.exchange()
    error = Truncated("server", progress=Progress.ACCEPTED)
    for closes in (False, True):
        if closes:
            made.pair.client.close()
        found = explain(error, made.client.situation())
        assert found.first.cause.name == "PEER_STOPPED"
        assert ("PEER_BREAKS_RULES" in [each.cause.name for each in found.causes]) is closes
    assert {each.cause.name for each in explain(RESET, made.client.situation()).causes} == {
        "PEER_STOPPED",
        "CUT",
    }


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "NOTHING_LISTENS"),
        (socket.gaierror(-2, "Name or service not known"), "HOST_UNKNOWN"),
        (OSError(101, "Network is unreachable"), "UNREACHABLE"),
        (TimeoutError("timed out"), "FILTERED"),
        (OSError(24, "Too many open files"), "LOCAL_FAILURE"),
    ],
    ids=repr,
)
def test_errors_of_a_failed_connection_are_explained(error: OSError, cause: str) -> None:
    assert explain(error, Situation(OwnSide(Role.CLIENT, address="localhost:1"))).first.cause.name == cause


def test_an_interface_that_is_not_there_is_no_name_that_was_looked_up() -> None:
    """RFC 4007 11: what follows % names an interface of this machine."""
    error = socket.gaierror(-2, "Name or service not known")
    found = explain(error, Situation(OwnSide(Role.CLIENT, address="[fe80::1%gone]:443"))).first
    assert found.cause.name == "LOCAL_FAILURE" and "no network interface gone" in found.text
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    found = explain(error, Situation(OwnSide(Role.CLIENT, address="host.example:443"))).first
    assert found.cause.name == "HOST_UNKNOWN" and found.evidence.startswith("no name server answered")


def test_an_error_without_words_is_told_by_its_type() -> None:
    assert explain(ConnectionResetError()).happened == "the connection failed: ConnectionResetError"


@pytest.mark.parametrize("error", [RESET, TimeoutError("timed out")], ids=repr)
@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1"), ("mqtt",)])
def test_a_server_that_is_called_by_https_may_speak_plain_http(
    error: Exception, alpn: tuple[str, ...]
) -> None:
    names = [
        each.cause.name for each in cut(identities.client_config(alpn=alpn), 0, error, port=12379).causes
    ]
    assert ("SPEAKS_HTTP" in names) is ("h2" in alpn)


def test_silence_after_our_hello_differs_from_no_connection() -> None:
    config = identities.client_config()
    observed = HandshakeFacts(config, "localhost")
    config.connection("localhost", observer=observed)
    assert explain(TimeoutError("timed out"), observed.situation()).first.cause.name == "PEER_SILENT"


@pytest.mark.parametrize(
    ("mine", "schemes", "first_cause"),
    [
        ({}, BORINGSSL, "NO_SHARED_PROTOCOL"),
        ({"alpn": ("http/1.1",)}, BORINGSSL, "NO_SHARED_PROTOCOL"),
        ({}, OPENSSL_3_0, "NOT_LET_IN"),
        ({}, None, "NO_SHARED_PROTOCOL"),
    ],
)
def test_a_server_of_grpc_closes_where_no_protocol_was_agreed_whatever_we_hold(
    mine: dict, schemes: tuple[int, ...] | None, first_cause: str
) -> None:
    """gRPC is built with BoringSSL; and a server that asked for no certificate does not close for one."""
    who = holder()
    config = client(who, **mine)
    observed = HandshakeFacts(config, "localhost", address="localhost:50051")
    named = tuple(each.certificate.subject.public_bytes() for each in who.above)
    request = None if schemes is None else AcceptedCertificates(schemes, named)
    shown = None if schemes is None else tuple(who.chain)
    seen = Observed(request=request, shown=shown, progress=Progress.JUDGED)
    error = Truncated("server", step=StepId("3"), progress=Progress.JUDGED)
    assert explain(error, replace(observed.situation(), observed=seen)).first.cause.name == first_cause
    agreed = replace(observed.situation(), observed=replace(seen, protocol=b"h2"))
    assert "NO_SHARED_PROTOCOL" not in [each.cause.name for each in explain(error, agreed).causes]


@pytest.mark.parametrize(
    ("offered", "chosen", "is_reported"),
    [(("h2",), (), True), (("h2", "http/1.1"), (), False), (("h2",), ("h2",), False), ((), (), False)],
)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_of_http_2_alone_leaves_where_no_protocol_was_agreed(
    offered: tuple[str, ...], chosen: tuple[str, ...], is_reported: bool, version: str
) -> None:
    """RFC 9113 3.2: it completes the handshake, and closes without a byte, as gRPC in Python does."""
    made = talk(client(alpn=offered, versions=[version]), identities.server_config(alpn=chosen))
    error = Truncated("client", step=StepId("3"), progress=Progress.ACCEPTED)
    found = explain(error, made.server.situation())
    assert (first(found) == ("NO_SHARED_PROTOCOL", "ours")) == is_reported
    assert ("NO_SHARED_PROTOCOL" in [each.cause.name for each in found.causes]) == is_reported


@pytest.mark.parametrize(
    ("seen", "starttls", "cause"),
    [
        ({}, "", "BACKEND_DOWN"),
        ({"said": True, "closed": True}, "", "BACKEND_DOWN"),
        ({"closed": True}, "", "BACKEND_DOWN"),
        ({"closed": True}, "mysql", "PEER_BREAKS_RULES"),
        ({}, "mysql", "PEER_STOPPED"),
        ({"data": True, "closed": True}, "", "PEER_STOPPED"),
    ],
)
def test_an_end_without_close_notify_is_reported_by_what_we_had_sent(
    seen: dict, starttls: str, cause: str
) -> None:
    """MariaDB never sends close_notify; and a service that was asked for TLS has answered, so that it is there."""
    ours = OwnSide(Role.CLIENT, server_name="localhost", address="localhost:3306", starttls=starttls)
    error = Truncated("server", step=StepId("4.3"), progress=Progress.ACCEPTED)
    found = explain(error, Situation(ours, Observed(progress=Progress.ACCEPTED, **seen)))
    assert first(found) == (cause, "the peer's")
    told = [each.cause.name for each in found.causes]
    assert ("BACKEND_DOWN" in told) == (not starttls and not seen.get("data"))


def test_the_reset_of_a_connection_on_which_nothing_was_said_is_no_failure_of_this_machine() -> None:
    ours = OwnSide(Role.CLIENT, server_name="localhost", address="localhost:8443")
    situation = Situation(ours)
    gone = explain(OSError(errno.ENOTCONN, "Transport endpoint is not connected"), situation)
    assert gone.causes == explain(RESET, situation).causes


@pytest.mark.parametrize(
    "end", [RESET, Truncated("server", step=StepId("4.3"), progress=Progress.ACCEPTED)], ids=["reset", "end"]
)
def test_a_server_that_closes_after_the_handshake_is_first_explained_as_refusing_us(
    end: Exception,
) -> None:
    """A server that does not accept our CA says so by an alert; most that close later go by rules of their own."""
    who = holder()
    observed = HandshakeFacts(client(who), "localhost", address="localhost:8443")
    seen = Observed(
        request=AcceptedCertificates(OPENSSL_3_0, ()),
        shown=tuple(who.chain),
        said=True,
        progress=Progress.ACCEPTED,
    )
    found = explain(end, replace(observed.situation(), observed=seen))
    assert first(found) == ("NOT_LET_IN", "ours")
    assert "CA_NOT_ACCEPTED" in [each.cause.name for each in found.causes]


@pytest.mark.parametrize(("flights", "expected"), [(0, "PEER_SILENT"), (1, "NO_ANSWER")])
def test_a_server_that_is_silent_after_the_handshake_is_told_apart(flights: int, expected: str) -> None:
    """It hangs, or waits for more; the handshake has succeeded, so that no firewall or port is to be suspected."""
    found = cut(
        client(), flights, TimedOut("nothing was received within 30 seconds after the end of the input")
    )
    assert expected in [each.cause.name for each in found.causes]
    assert (found.first.cause.name == "NO_ANSWER") is (expected == "NO_ANSWER")
    assert found.happened.startswith("the connection failed: nothing was received within 30 seconds")


@pytest.mark.parametrize(
    ("mine", "cause"),
    [
        ({"groups": ("SecP384r1MLKEM1024",)}, "NO_SHARED_GROUP"),
        ({"groups": ("secp384r1",)}, "NO_SHARED_GROUP"),
        ({"groups": ("x25519",)}, "BACKEND_DOWN"),
        ({}, "BACKEND_DOWN"),
    ],
)
def test_a_client_that_offers_no_usual_group_is_told_so_if_the_server_closes_without_an_alert(
    mine: dict, cause: str
) -> None:
    """As gRPC does."""
    assert cut(client(**mine), 0, RESET).first.cause.name == cause
    assert "SERVICE_BUSY" in [each.cause.name for each in cut(client(**mine), 0, RESET).causes]


def test_server_that_drops_a_hello_for_its_server_name_is_not_called_silent() -> None:
    config = client()
    observed = HandshakeFacts(config, "localhost", address="localhost:12345")
    config.connection("localhost", observer=observed)
    found = explain(
        TimeoutError("timed out"), replace(observed.situation(), probed=Probed(without_name=True))
    )
    assert found.first.cause.name == "NAME_ROUTED"
    assert "PEER_SILENT" not in [each.cause.name for each in found.causes]


@pytest.mark.parametrize("role", list(Role))
def test_a_peer_that_sent_part_of_a_record_is_not_called_silent(role: Role) -> None:
    """A slow client, or a device that cuts: it does not wait for a greeting, and is no probe."""
    ours = OwnSide(role, address="a.example:443", server_name="a.example")
    seen = Observed(sent=("ClientHello",)) if role is Role.CLIENT else Observed()
    late = TimedOut("late", received=13)
    fault = PeerFault(
        Fault.HANDSHAKE_TIMEOUT, step=None, peer=role.peer, facts={"seconds": 4.0, "received": 13}
    )
    for error in (late, fault):
        found = explain(error, Situation(ours, seen))
        assert found.first.cause.name == "SLOW" and "13 bytes" in found.first.evidence
        assert not any("sent nothing" in each.evidence for each in found.causes)


def test_messages_that_had_come_when_the_time_was_over_are_told() -> None:
    """A device may have dropped the rest; that TCP was connected, and TLS begun, is known."""
    ours = OwnSide(Role.CLIENT, address="a.example:443", server_name="a.example")
    seen = Observed(sent=("ClientHello", "Finished"), received=("ServerHello", "Certificate"))
    found = explain(TimedOut("no TLS connection within 5 seconds"), Situation(ours, seen))
    assert [each.cause.name for each in found.causes] == ["PEER_SILENT", "CUT", "SLOW"]
    assert all("ServerHello, Certificate had come" in each.evidence for each in found.causes)
    assert "server began the handshake" in found.first.text and "port" not in found.first.remedy
    assert "ended the connection" not in str(found)


def test_a_client_that_falls_silent_in_the_middle_may_wait_for_its_user() -> None:
    seen = Observed(sent=("ServerHello", "Certificate"), received=("ClientHello",), progress=Progress.JUDGED)
    late = PeerFault(Fault.HANDSHAKE_TIMEOUT, step=None, peer="client", facts={"seconds": 10.0})
    found = explain(late, Situation(OwnSide(Role.SERVER), seen))
    assert [each.cause.name for each in found.causes] == ["PEER_SILENT", "CUT", "SLOW"]
    assert "its user or its key" in found.first.text


@pytest.mark.parametrize(
    "error", [Truncated("client", progress=Progress.JUDGED), RESET], ids=["end", "reset"]
)
def test_our_certificate_is_not_said_to_have_been_received(error: Exception) -> None:
    """It may have ended its side before: only what we sent is known."""
    found = cut(client(), 1, error, "server")
    words = f"{found.usually} {' '.join(each.evidence for each in found.causes)}"
    assert "an answer to our certificate" in words and "received our certificate" not in words
