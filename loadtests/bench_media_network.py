"""A bad network in a process of its own: UDP through a relay that loses and delays.

`python -m loadtests.bench_media_network <host> <server's port>` prints the port on which it stands
for the server, and runs until it is ended. The kernel's own means (netem) are not in every kernel.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from typing import Any

import uvloop

#: The share of media packets that vanish, and seconds that every datagram is under way: each way.
LOSS = 0.05
DELAY = 0.040


class Network(asyncio.DatagramProtocol):
    """Stands for the server towards its callers, and for each caller towards the server.

    Only media (SRTP) is lost, by the same dice in every run. The order is kept.
    """

    def __init__(self, server: tuple[str, int], loss: float = LOSS, delay: float = DELAY) -> None:
        self._server = server
        self._loss = loss
        self._delay = delay
        self._dice = random.Random(1)
        self._loop = asyncio.get_running_loop()
        self._front: asyncio.DatagramTransport | None = None
        self._callers: dict[tuple[str, int], socket.socket] = {}

    def connection_made(self, transport: Any) -> None:
        self._front = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        caller = self._callers.get(addr)
        if caller is None:
            caller = self._callers[addr] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            caller.setblocking(False)
            caller.connect(self._server)
            self._loop.add_reader(caller, self._from_server, caller, addr)
        if not self.is_lost(data):
            self._loop.call_later(self._delay, _send, caller, data)

    def _from_server(self, caller: socket.socket, addr: tuple[str, int]) -> None:
        assert self._front is not None
        while True:
            try:
                data = caller.recv(2048)
            except OSError:  # Nothing more, or an earlier datagram found nobody.
                return
            if not self.is_lost(data):
                self._loop.call_later(self._delay, self._front.sendto, data, addr)

    def is_lost(self, data: bytes) -> bool:
        """Whether this datagram vanishes."""
        media = len(data) > 1 and 127 < data[0] < 192 and not 192 <= data[1] <= 223
        return media and self._dice.random() < self._loss


def _send(caller: socket.socket, data: bytes) -> None:
    try:
        caller.send(data)
    except OSError:  # The server has gone, or takes no more: that is loss as well.
        return


async def main(host: str, port: int) -> None:
    front, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Network((host, port)), local_addr=(host, 0)
    )
    print(front.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
