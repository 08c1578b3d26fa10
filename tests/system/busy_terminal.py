"""A terminal at work in a process of its own: guest after guest, until SIGTERM, or until it is killed.

Each outcome that its cashier is told is a line of a file, written before anything else is asked: what stands there has
been shown to a person, and nothing may ever contradict it.

    python -m tests.system.busy_terminal FOLDER TERMINAL-ID HOST:PORT SEED CARD…
"""

import asyncio
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from holdfast.clock import SECOND_US
from holdfast.edges import sample
from holdfast.errors import Unreachable
from holdfast.keys.interface import TMK
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.config import Address, parse_address
from holdfast.runtime.pos import Pos
from tests.system.installation import HOTEL

PATIENCE_S = 3.0
"""Shorter than a real terminal's, so that silence becomes reversals, and a test does not take so long."""

AMOUNT_MINOR_MAX = 20_00
PAUSE_S_MAX = 0.05
RETRY_S = 0.05

SETTLES = 0.04
"""After so many of its guests it settles."""

OPERATOR, SUPERVISOR = "01", "00"


def told_file(folder: Path, terminal_id: str) -> Path:
    """What the cashier of that terminal was told."""
    return folder / f"{terminal_id}.told"


class Cashier:
    """Whoever stands at the terminal."""

    def __init__(self, pos: Pos, told: Path, seed: int, cards: list[str]) -> None:
        self._pos = pos
        self._told = told.open("ab", buffering=0)
        self._dice = random.Random(seed)
        self._cards = cards
        self._card: Mapping[str, Any] = {}

    async def serve_guests(self) -> None:
        """Until cancelled."""
        while True:
            if await self._pos.ready(OPERATOR, PATIENCE_S):
                await asyncio.sleep(RETRY_S)
                continue
            if (await self._pos.waits()).get("settling") or self._dice.random() < SETTLES:
                await self._settle()
                continue
            await self._guest()
            await asyncio.sleep(self._dice.uniform(0, PAUSE_S_MAX))

    async def _guest(self) -> None:
        """Somebody who stays, or who buys and goes."""
        self._card = {"pan": self._dice.choice(self._cards), "expiry": sample.EXPIRY}
        dice = self._dice.random()
        if dice < 0.25:
            await self._buyer()
        else:
            await self._stay("moto" if dice < 0.4 else "pre-auth")

    async def _stay(self, placing: str) -> None:
        """A hold, and what becomes of it. Where an outcome is not an approval the guest is sent away."""
        amount_minor = self._amount()
        placed = await self._ask(placing, {"amount_minor": amount_minor})
        linked = {"authorization_code": placed.get("authorization_code")}
        if placed["outcome"] == "approved" and self._dice.random() < 0.25:
            more = self._amount()
            placed = await self._ask("increment", {**linked, "amount_minor": more})
            amount_minor += more
        if placed["outcome"] != "approved":
            return
        dice = self._dice.random()
        if dice < 0.45:
            done = await self._complete("complete", linked, amount_minor)
            if done["outcome"] == "approved" and self._dice.random() < 0.3:
                voided = await self._ask("void-completion", {"rrn": done["rrn"]})
                if voided["outcome"] == "approved" and self._dice.random() < 0.5:
                    await self._complete("complete", linked, amount_minor)
            else:
                await self._refund_some(done)
        elif dice < 0.7:
            await self._refund_some(await self._complete("advise", linked, amount_minor))
        elif dice < 0.85:
            await self._repeat_some(await self._ask("void", linked))

    async def _buyer(self) -> None:
        """A sale, and what becomes of it."""
        sold = await self._ask("sale", {"amount_minor": self._amount()})
        if sold["outcome"] == "approved" and self._dice.random() < 0.4:
            await self._repeat_some(await self._ask("void-sale", {"rrn": sold["rrn"]}))
        else:
            await self._refund_some(sold)

    async def _complete(self, name: str, linked: Mapping[str, Any], held_minor: int) -> Mapping[str, Any]:
        done = await self._ask(name, {**linked, "amount_minor": self._dice.randint(1, held_minor)})
        await self._repeat_some(done)
        return done

    async def _refund_some(self, posted: Mapping[str, Any]) -> None:
        """A part of what was posted, sometimes, and sometimes a second one that may be too much."""
        while posted["outcome"] == "approved" and self._dice.random() < 0.4:
            given = {"rrn": posted["rrn"], "amount_minor": self._dice.randint(1, posted["amount"])}
            await self._ask("refund", given)

    async def _repeat_some(self, asked: Mapping[str, Any]) -> None:
        if asked.get("trace_key") and self._dice.random() < 0.2:
            await self._ask("repeat", {"trace_key": asked["trace_key"]})

    def _amount(self) -> int:
        return self._dice.randint(1, AMOUNT_MINOR_MAX)

    async def _settle(self) -> None:
        value = await self._pos.settle(OPERATOR)
        self._tell("settle", value, time.monotonic())

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        began_s = time.monotonic()
        value = await self._pos.ask(name, {**arguments, "card": self._card, "supervisor": SUPERVISOR}, OPERATOR)
        self._tell(name, value, began_s)
        return value

    def _tell(self, name: str, value: Mapping[str, Any], began_s: float) -> None:
        """A line for the cashier's eyes."""
        self._told.write(orjson.dumps({**value, "asked": name, "began_s": began_s, "told_s": time.monotonic()}) + b"\n")


async def opened(folder: Path, terminal_id: str) -> Pos:
    """The terminal, loaded with its key."""
    settings = TerminalSettings(terminal_id, int(PATIENCE_S * SECOND_US), repeat_us=SECOND_US, repeat_max_us=SECOND_US)
    pos = await Pos.open(folder, settings, lambda event, **facts: None)
    if await pos.device() is None:
        tmk = pos.keys.import_key(TMK, bytes.fromhex(sample.test_key(f"terminal {terminal_id}")))
        names = {"merchant_id": HOTEL, "merchant_name": "East Lake Hotel"}
        await pos.tell("load", {"terminal_id": terminal_id, "tmk": tmk, **names}, "system")
    return pos


async def connected(pos: Pos, at: Address) -> None:
    """As soon as somebody listens there."""
    while True:
        try:
            return await pos.connect(at)
        except Unreachable:
            await asyncio.sleep(RETRY_S)


async def work(folder: Path, terminal_id: str, at: Address, seed: int, cards: list[str]) -> None:
    """Until SIGTERM; a request that is asked by then is left open, as by whoever pulls the plug."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    pos = await opened(folder, terminal_id)
    try:
        await connected(pos, at)
        await Cashier(pos, told_file(folder, terminal_id), seed, cards).serve_guests()
    finally:
        await pos.close()


def main() -> None:
    """From the command line."""
    folder, terminal_id, at, seed, *cards = sys.argv[1:]
    try:
        asyncio.run(work(Path(folder), terminal_id, parse_address(at), int(seed), cards))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
