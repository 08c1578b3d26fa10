"""A terminal at work in a process of its own: guest after guest, until it is killed, or until SIGTERM, after which it
brings to its end what is open, settles, and ends 0.

Each outcome that its cashier is told is a line of a file, written before anything else is asked: what stands there has
been shown to a person, and nothing may ever contradict it. `serve` is the whole process: a process that has imported
this module forks it, so that a terminal is switched on in no time.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from holdfast.clock import SECOND_US
from holdfast.edges import sample
from holdfast.errors import Unreachable
from holdfast.keys.interface import TMK
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime import launcher
from holdfast.runtime.config import Address, parse_address
from holdfast.runtime.pos import Pos
from tests.system.installation import HOTEL

PATIENCE_S = 3.0
"""Shorter than a real terminal's, so that silence becomes reversals, and a test does not take so long."""

AMOUNT_MINOR_MAX = 20_00
PAUSE_S_MAX, SENT_AWAY_S_MAX = 0.05, 0.6
RETRY_S = 0.05

SETTLES = 0.04
"""After so many of its guests it settles."""

ASKS_BALANCE = 0.06
SIGNS_OFF = 0.01

OPERATOR, SUPERVISOR = "01", "00"


class Shift(NamedTuple):
    """A terminal's work: where its journal and what its cashier is told lie, where it connects, its dice, its cards."""

    folder: Path
    told: Path
    terminal_id: str
    at: str
    seed: float
    cards: list[str]


def told_file(folder: Path, terminal_id: str) -> Path:
    """What the cashier of that terminal was told."""
    return folder / f"{terminal_id}.told"


class Cashier:
    """Whoever stands at the terminal."""

    def __init__(self, pos: Pos, shift: Shift) -> None:
        self.closing = False
        self._pos = pos
        self._told = told_file(shift.told, shift.terminal_id).open("ab", buffering=0)
        self._dice = random.Random(shift.seed)
        self._cards = shift.cards
        self._card: Mapping[str, Any] = {}
        self._sent_away = False

    def close(self) -> None:
        """No more guests after this one."""
        self.closing = True

    async def serve_guests(self) -> None:
        """Until closing."""
        while not self.closing:
            if await self._pos.ready(OPERATOR, PATIENCE_S):
                await asyncio.sleep(RETRY_S)
                continue
            if (await self._pos.waits()).get("settling") or self._dice.random() < SETTLES:
                await self._settle()
                continue
            self._sent_away = False
            await self._guest()
            await asyncio.sleep(self._dice.uniform(0, SENT_AWAY_S_MAX if self._sent_away else PAUSE_S_MAX))

    async def finish(self) -> None:
        """Until the batch is settled and nothing is open any more; what was advised may be answered after that."""
        settled = False
        while not settled or await self._pos.waits():
            if await self._pos.ready(OPERATOR, PATIENCE_S) is None and not settled:
                value = await self._settle()
                settled = value["outcome"] == "approved" or bool(value["response_code"])
            await asyncio.sleep(RETRY_S)

    async def _guest(self) -> None:
        """Somebody who stays, or who buys and goes."""
        self._card = {"pan": self._dice.choice(self._cards), "expiry": sample.EXPIRY}
        dice = self._dice.random()
        if dice < ASKS_BALANCE:
            await self._ask("balance", {})
        elif dice < ASKS_BALANCE + SIGNS_OFF:
            self._tell("sign-off", await self._pos.tell("sign-off", {}, OPERATOR), time.monotonic())
        elif dice < 0.25:
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

    async def _settle(self) -> Mapping[str, Any]:
        began_s = time.monotonic()
        value = await self._pos.settle(OPERATOR)
        self._tell("settle", value, began_s)
        return value

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        began_s = time.monotonic()
        value = await self._pos.ask(name, {**arguments, "card": self._card, "supervisor": SUPERVISOR}, OPERATOR)
        self._tell(name, value, began_s)
        self._sent_away = value["outcome"] != "approved"
        return value

    def _tell(self, name: str, value: Mapping[str, Any], began_s: float) -> None:
        """A line for the cashier's eyes."""
        self._told.write(orjson.dumps({**value, "asked": name, "began_s": began_s, "told_s": time.monotonic()}) + b"\n")


def say(event: str, **facts: object) -> None:
    """What a terminal logs."""
    sys.stderr.write(f"{event} {facts}\n")
    sys.stderr.flush()


async def opened(folder: Path, terminal_id: str) -> Pos:
    """The terminal, loaded with its key."""
    settings = TerminalSettings(terminal_id, int(PATIENCE_S * SECOND_US), repeat_us=SECOND_US, repeat_max_us=SECOND_US)
    pos = await Pos.open(folder, settings, say)
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


async def work(shift: Shift) -> None:
    """The whole life of the process, after which nothing is open."""
    pos = await opened(shift.folder, shift.terminal_id)
    cashier = Cashier(pos, shift)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cashier.close)
    try:
        await connected(pos, parse_address(shift.at))
        await cashier.serve_guests()
        await cashier.finish()
    finally:
        await pos.close()


def serve(shift: Shift) -> None:
    """The process: it dies with whoever forked it, and what goes wrong is said in a file beside what it told."""
    launcher.libc_call("prctl", launcher.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    says = os.open(shift.told / f"{shift.terminal_id}.stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(says, 2)
    asyncio.run(work(shift))
