"""Closed-loop terminals in a process of their own: each asks, waits, and asks again. MAC on, no journals.

`python -m holdfast.bench.load '{"host": …, "port": …, "connections": …, "seconds": …, "first": …}'` prints one JSON
object: `answered`, `approved`, `seconds`, and latencies in ms (`p50`, `p99`). Terminals are `first`, `first` + 1, … of
the bench's own installation (see `authorize`).
"""

import asyncio
import sys
import time
from functools import partial
from typing import cast

import orjson
import uvloop

from holdfast.bench.installation import CARDS, MERCHANT_ID, TMK, card_number, terminal_id
from holdfast.keys.algorithms import decrypt_blocks, mac_ecb
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import Frames, frame
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac


class LoadTerminal(asyncio.Protocol):
    """One terminal on one connection."""

    def __init__(self, number: int, until: float, latencies: list[float], approved: list[int]) -> None:
        self.terminal_id = terminal_id(number)
        self.number = number
        self.until = until
        self.latencies = latencies
        self.approved = approved
        self.frames = Frames()
        self.batch = "000000"
        self.stan = 0
        self.mak = b""
        self.sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sign on at once."""
        self.transport = cast(asyncio.Transport, transport)
        fields: dict[int, str | bytes] = {11: "000001", 41: self.terminal_id, 42: MERCHANT_ID}
        fields |= {60: f"00{self.batch}003", 63: "01 "}
        self.transport.write(frame(encode(UNIONPAY, Message("0800", fields))))

    def data_received(self, chunk: bytes) -> None:
        """Answers, each followed by the next question until the time is over."""
        for body in self.frames.feed(chunk):
            answer = decode(UNIONPAY, body)
            if answer.mti == "0810":
                keys = parse_working_keys(answer.get_bytes(62))
                self.mak, self.batch = decrypt_blocks(TMK, keys.mak), answer.get(60)[2:8]
            else:
                self.latencies.append(time.perf_counter() - self.sent_at)
                assert mac_ecb(self.mak, mac_block(UNIONPAY, body)) == answer.get(64), "an answer's MAC is wrong"
                self.approved[0] += answer.get(39) == "00"
            self.ask()

    def ask(self) -> None:
        """One pre-authorization, keyed."""
        if time.perf_counter() >= self.until:
            if not self.done.done():
                self.done.set_result(None)
            return
        self.stan += 1
        fields: dict[int, str | bytes] = {
            2: card_number((self.number * 7919 + self.stan) % CARDS),
            3: "030000",
            4: "000000001000",
            11: f"{self.stan:06d}",
            14: "3012",
            22: "012",
            25: "06",
            41: self.terminal_id,
            42: MERCHANT_ID,
            49: "156",
            60: f"10{self.batch}00050",
            63: "01 ",
            64: "00000000",
        }
        body = encode(UNIONPAY, Message("0100", fields))
        self.sent_at = time.perf_counter()
        self.transport.write(frame(put_mac(body, mac_ecb(self.mak, mac_block(UNIONPAY, body)))))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone: this terminal is done."""
        if not self.done.done():
            self.done.set_result(None)


def _same(terminal: LoadTerminal) -> LoadTerminal:
    return terminal


async def run(host: str, port: int, connections: int, seconds: float, first: int) -> dict[str, float]:
    """All terminals until the time is over."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    approved = [0]
    started = time.perf_counter()
    until = started + seconds
    terminals: list[LoadTerminal] = []
    for number in range(first, first + connections):
        terminal = LoadTerminal(number, until, latencies, approved)
        await loop.create_connection(partial(_same, terminal), host, port)
        terminals.append(terminal)
    await asyncio.wait([terminal.done for terminal in terminals], timeout=seconds + 30)
    elapsed = time.perf_counter() - started
    latencies.sort()
    at = [latencies[int((len(latencies) - 1) * share)] * 1000 if latencies else 0.0 for share in (0.5, 0.99)]
    return {"answered": len(latencies), "approved": approved[0], "seconds": elapsed, "p50": at[0], "p99": at[1]}


if __name__ == "__main__":
    uvloop.install()
    arguments = orjson.loads(sys.argv[1])
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(run(**arguments))) + b"\n")
