"""Writes what two engines said to each other as a capture of TCP over IPv4, for programs that read those."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from pair import Pair

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)  # 101: packets begin with IP
SYN, FIN, PUSH_ACK, ACK = 0x02, 0x11, 0x18, 0x10
SEGMENT = 1400
HOSTS = {"client": (bytes((127, 0, 0, 1)), 40000), "server": (bytes((127, 0, 0, 2)), 443)}


@dataclass
class Capture:
    """A conversation as it passes; hand it to a pair before anything is said."""

    spoken: list[tuple[str, bytes]] = field(default_factory=list)

    def listen(self, pair: Pair) -> Pair:
        pair.to_server = lambda data: self._note("client", data)
        pair.to_client = lambda data: self._note("server", data)
        return pair

    def _note(self, by: str, data: bytes) -> bytes:
        self.spoken.append((by, data))
        return data

    def write(self, path: Path) -> Path:
        """Write the capture; sequence numbers are real, checksums are left out."""
        sent = {"client": 1, "server": 1}
        packets = [("client", SYN, 0, 0, b""), ("server", SYN | ACK, 0, 1, b""), ("client", ACK, 1, 1, b"")]
        for by, data in self.spoken:
            other = "server" if by == "client" else "client"
            for at in range(0, len(data), SEGMENT):
                part = data[at : at + SEGMENT]
                packets.append((by, PUSH_ACK, sent[by], sent[other], part))
                sent[by] += len(part)
        packets.append(("client", FIN, sent["client"], sent["server"], b""))
        path.write_bytes(PCAP_HEADER + b"".join(_framed(at, *each) for at, each in enumerate(packets)))
        return path


def _framed(at: int, by: str, flags: int, number: int, acknowledged: int, data: bytes) -> bytes:
    source, port = HOSTS[by]
    target, other_port = HOSTS["server" if by == "client" else "client"]
    tcp = struct.pack(
        ">HHIIBBHHH", port, other_port, number, acknowledged if flags & ACK else 0, 5 << 4, flags, 65535, 0, 0
    )
    size = 20 + len(tcp) + len(data)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, at, 0, 64, 6, 0, source, target)
    packet = ip + tcp + data
    return struct.pack("<IIII", 1_780_000_000, at * 1000, len(packet), len(packet)) + packet
