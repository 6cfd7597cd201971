"""Key logs: Wireshark's tshark opens our traffic with them, and OpenSSL logs the same secrets as we do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import identities
import pki
from bothways import Credentials
from capture import Capture
from interop import identities as programs_identities
from interop.peers import find
from interop.programs import calling, running
from pair import pair

REQUEST = b"GET /statement HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\nbalance: 123.45"

FLOWS = {
    "TLS 1.3": {"versions": ("1.3",)},
    "TLS 1.3 with the hybrid group": {"versions": ("1.3",), "groups": ("X25519MLKEM768",)},
    "TLS 1.3 with a HelloRetryRequest": {"versions": ("1.3",), "groups": ("x25519", "secp256r1")},
    "TLS 1.2 with ECDHE": {"versions": ("1.2",)},
    "TLS 1.2 with RSA key transport": {
        "versions": ("1.2",),
        "suites": ("TLS_RSA_WITH_AES_128_GCM_SHA256",),
        "insecure_rsa_key_transport": True,
    },
}
SERVERS = {"TLS 1.3 with a HelloRetryRequest": {"groups": ("secp256r1",)}}


def talk(flow: str, tmp_path: Path, *, whose: str) -> tuple[Path, Path]:
    """A request and its answer; return the capture, and the key log of one side."""
    lines: list[str] = []
    fields = FLOWS[flow]
    logs = {whose: {"insecure_keylog": lines.append}}
    rsa = "RSA key transport" in flow
    server = pki.leaf(
        identities.middle(), "server", alternatives=["DNS:localhost"], key_kind="RSA-2048",
        key_usage=("digital_signature", "key_encipherment"), **identities.SPAN,
    ) if rsa else identities.server()  # fmt: skip
    ours = identities.client_config(identities.client(), **fields | logs.get("client", {}))
    theirs = identities.server_config(
        credentials=Credentials.from_pem(server.chain_pem, server.key_pem),
        **fields | SERVERS.get(flow, {}) | logs.get("server", {}),
    )
    capture = Capture()
    both = capture.listen(pair(ours, theirs))
    both.exchange()
    both.client.send(REQUEST)
    both.exchange()
    if flow.startswith("TLS 1.3"):
        both.client.update_keys(ask=True)
        both.exchange()
    both.server.send(ANSWER)
    both.exchange()
    both.client.close()
    both.exchange()
    assert both.client_failure is both.server_failure is None
    log = tmp_path / "keys.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    return capture.write(tmp_path / "talk.pcap"), log


def seen_by_tshark(capture: Path, log: Path | None) -> list[str]:
    """What tshark finds of HTTP in a capture: the path asked for, and the body of the answer."""
    with_keys = ["-o", f"tls.keylog_file:{log}"] if log is not None else []
    run = subprocess.run(
        [find("tshark"), "-r", str(capture), *with_keys, "-Y", "http", "-T", "fields",
         "-e", "http.request.uri", "-e", "http.file_data"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [line.strip() for line in run.stdout.splitlines()]


SIDES = [*((flow, "client") for flow in FLOWS), ("TLS 1.3", "server"), ("TLS 1.2 with ECDHE", "server")]


@pytest.mark.parametrize(("flow", "whose"), SIDES)
def test_tshark_reads_our_traffic_with_the_key_log_of_either_side(flow: str, whose: str, tmp_path: Path):
    """RFC 9850 2: the lines are enough to open all records, of the handshake and after new keys."""
    capture, log = talk(flow, tmp_path, whose=whose)
    assert seen_by_tshark(capture, log) == ["/statement", "balance: 123.45"]


def test_tshark_reads_nothing_without_the_key_log(tmp_path: Path):
    """The keys are what opens the capture."""
    capture, _ = talk("TLS 1.3", tmp_path, whose="client")
    assert seen_by_tshark(capture, None) == []


@pytest.mark.network
@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_openssl_logs_the_same_secrets_as_we_do(version: str, tmp_path: Path):
    """Both ends of a connection write the same lines: labels, randoms, secrets."""
    chain, key = programs_identities.server().files(tmp_path)
    theirs, ours = tmp_path / "theirs.log", []
    config = identities.client_config(
        anchors=programs_identities.anchors(),
        versions=(version,),
        groups=("x25519", "secp256r1"),
        insecure_keylog=ours.append,
    )
    command = (find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-cert_chain", chain,
               "-key", key, "-keylogfile", str(theirs), "-naccept", "1")  # fmt: skip
    with running(*command) as server:
        port = int(server.until("ACCEPT").split("ACCEPT ")[1].split()[0].rpartition(":")[2])
        with calling(port, config) as channel:
            server.say("hello\n")
            assert channel.recv(100) == b"hello\n"
        server.finish()
    written = {line.lower() for line in theirs.read_text().splitlines() if not line.startswith("#")}
    assert {line.lower() for line in ours} == written
