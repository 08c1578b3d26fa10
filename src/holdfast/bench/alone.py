"""The acquirer alone: a real worker process whose issuer answers in memory, at once. "Asked" and "answered" are both
committed, as always.

`python -m holdfast.bench.alone`, configured by one line on its standard input like `runtime.node`.
"""

import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

from holdfast.bench.installation import ISSUER_ID, ZONE_MAC
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_TABLES
from holdfast.keys.algorithms import mac_x919
from holdfast.keys.file import FileKeys
from holdfast.parties.exchange import answer_of_issuer
from holdfast.parties.step import Received
from holdfast.runtime.business_clock import machine_us
from holdfast.runtime.config import ACQUIRER, load_node_config
from holdfast.runtime.logs import open_log
from holdfast.runtime.node import Node, take_log
from holdfast.store.postgres import PostgresStore
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.security import mac_block, put_mac


class MemoryIssuer:
    """A link at whose other end an issuer approves everything within the same microseconds."""

    def __init__(self, node: Node) -> None:
        self.dialect = ASCII_1987
        self.tpdu = b""
        self.header = b""
        self._node = node

    def hang_up(self) -> None:
        """It is in memory, and never down."""

    def write(self, frame: bytes) -> None:
        """The question comes in, the answer goes to the engine."""
        message = decode(ASCII_1987, frame[2:])
        body = encode(ASCII_1987, answer_of_issuer(message, "00", "123456", machine_us(), Policy()))
        sealed = put_mac(body, mac_x919(ZONE_MAC, mac_block(ASCII_1987, body)).hex()[:8].upper())
        self._node.driver.offer(Received(0, ISSUER_ID, decode(ASCII_1987, sealed)))


async def serve() -> None:
    """One worker until SIGTERM."""
    config = load_node_config(sys.stdin.readline())
    store = await PostgresStore.connect(config.dsn, ACQUIRER, ACQUIRER_TABLES)
    node = Node(config, open_log(Path(config.log), config.name), store, FileKeys.open(Path(config.keys)))
    await take_log(node)
    node.links.add(MemoryIssuer(node), ISSUER_ID)
    await node.serve(socket.socket(fileno=config.listen))
    await store.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(0)
    uvloop.run(serve())
