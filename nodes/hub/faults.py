"""Faults of a network, for trials and measurements: a TCP relay that partitions, severs, loses and counts.

Loss as TCP shows it: nothing is missing in the stream, but everything behind a lost segment waits for its repetition
(RFC 6298: at first 200 ms on common systems, doubled each time it is lost again). For loss of datagrams see
`nodes.hub.stream.relay`.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Final

SEGMENT_BYTES: Final = 1448
REPEAT_S: Final = 0.2
LONGEST_REPEAT_S: Final = 3.0
BLOCK_BYTES: Final = 65_536
CONNECT_S: Final = 5.0


@dataclass
class Traffic:
    """Bytes that passed, TLS included, headers of TCP and IP not."""

    sent: int = 0
    """From those who connect."""
    received: int = 0
    connections: int = 0


@dataclass
class Proxy:
    """Listens on a port of this machine and leads to `host:port`; a context manager.

    Attributes:
        loss: share of segments lost, both ways.
    """

    host: str
    port: int
    loss: float = 0.0
    seed: int = 1
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._passes, self._guard, self._is_closed = threading.Event(), threading.Lock(), False
        self._passes.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.own_port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self) -> None:
        """A partition: connections stay, and nothing passes; new ones are not led on."""
        self._passes.clear()

    def heal(self) -> None:
        """The end of a partition: what was held passes."""
        self._passes.set()

    def sever(self) -> None:
        """Reset all connections; what was on its way is lost. As a router does that has forgotten them."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _reset(end)

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self._server.close()
        self.sever()
        self._passes.set()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(near,), daemon=True).start()

    def _lead(self, near: socket.socket) -> None:
        self._passes.wait()
        try:
            far = socket.create_connection((self.host, self.port), CONNECT_S)
        except OSError:
            _reset(near)
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._guard:
            self._pairs.append((near, far))
            self.traffic.connections += 1
        threading.Thread(target=self._pump, args=(near, far, "sent"), daemon=True).start()
        self._pump(far, near, "received")

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        try:
            while data := source.recv(BLOCK_BYTES):
                self._passes.wait()
                self._suffer(len(data))
                sink.sendall(data)
                with self._guard:
                    setattr(self.traffic, way, getattr(self.traffic, way) + len(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                _reset(end)

    def _suffer(self, size: int) -> None:
        """Wait for what is lost to be sent again."""
        for _ in range(0, size if self.loss else 0, SEGMENT_BYTES):
            wait_s = REPEAT_S
            while self._chance.random() < self.loss:
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_REPEAT_S)


def _reset(end: socket.socket) -> None:
    """Close at once, with a reset instead of a farewell."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is over already
    end.close()
