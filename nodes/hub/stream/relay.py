"""A UDP relay that loses, delays and cuts off packets: a bad network to try a stream on. It is put into the SDP."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Any, Final

Address = tuple[str, int]
_CANDIDATE: Final = re.compile(r"^(a=candidate:\S+ 1 udp \d+) (\S+) (\d+) (typ host.*)$", re.MULTILINE)


@dataclass
class Relay:
    """Sits in front of the hub's ports; both ways suffer alike.

    Attributes:
        loss: share of packets lost.
        delay_s, jitter_s: each packet waits so long, give or take.
        is_cut: nothing passes.
    """

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    is_cut: bool = False
    passed: int = 0
    dropped: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _ports: list[asyncio.DatagramTransport] = field(default_factory=list)
    _front: _Side | None = None

    async def offer(self, sdp: str) -> str:
        """The device's offer, with the relay as its only address."""
        loop = asyncio.get_running_loop()
        near, front = await loop.create_datagram_endpoint(lambda: _Side(self), local_addr=("127.0.0.1", 0))
        far, back = await loop.create_datagram_endpoint(lambda: _Side(self), local_addr=("127.0.0.1", 0))
        front.other, back.other, back.source = far, near, front
        self._ports += [near, far]
        self._front = front
        return _only(sdp, far.get_extra_info("sockname")[1])

    def answer(self, sdp: str) -> str:
        """The hub's answer, with the relay as its only address."""
        match = next(found for found in _CANDIDATE.finditer(sdp) if ":" not in found[2])
        assert self._front is not None
        self._front.target = (match[2], int(match[3]))
        return _only(sdp, self._ports[-2].get_extra_info("sockname")[1])

    def close(self) -> None:
        """Let go of all ports."""
        for port in self._ports:
            port.close()

    def carry(self, data: bytes, to: asyncio.DatagramTransport, address: Address) -> None:
        """Pass a packet on, or not."""
        if self.is_cut or self.chance.random() < self.loss:
            self.dropped += 1
            return
        self.passed += 1
        wait_s = max(0.0, self.delay_s + self.jitter_s * self.chance.uniform(-1, 1))
        asyncio.get_running_loop().call_later(wait_s, _send, to, data, address)


def _only(sdp: str, port: int) -> str:
    """A description whose only candidate is a port of this machine."""
    kept: list[str] = []
    for line in sdp.splitlines():
        match = _CANDIDATE.match(line)
        if not line.startswith("a=candidate:"):
            kept.append(line)
        elif match is not None and not any(found.startswith("a=candidate:") for found in kept):
            kept.append(f"{match[1]} 127.0.0.1 {port} {match[4]}")
    return "\r\n".join(kept) + "\r\n"


def _send(to: asyncio.DatagramTransport, data: bytes, address: Address) -> None:
    if not to.is_closing():
        to.sendto(data, address)


class _Side(asyncio.DatagramProtocol):
    """One side: remembers who spoke last, so that answers find their way."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.other: asyncio.DatagramTransport | None = None
        self.target: Address | None = None
        self.source: _Side | None = None
        self.seen: Address | None = None

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.seen = address
        target = self.target or (self.source.seen if self.source is not None else None)
        if target is not None and self.other is not None:
            self.relay.carry(data, self.other, target)
