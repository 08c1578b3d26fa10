"""The terminal behind the menu: commands and their outcomes, its rows, and what it does while nobody asks.

`Till` is all that the menu needs, so that a test can be one; `LiveTill` is a terminal at work. While a menu waits the
engine goes on by itself (reversals, advices, what became of a request in flight); what it cannot do by itself, a
sign-on after the line came back, is done here.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from holdfast.domain.records import SALES, Device, Sale
from holdfast.edges.terminal_business import asked
from holdfast.edges.terminal_cards import Presented
from holdfast.errors import HoldfastError
from holdfast.parties.entered import KINDS
from holdfast.runtime.pos import SYSTEM, NotReady, Pos

Value = Mapping[str, Any]

HOST_LINKED = "host is linked"
ABOUT_JOURNAL = "the journal "
"""How it begins when the terminal speaks of its journal."""

NOT_READY = "not-ready"
"""Key of an outcome that says why nothing was asked: declined, silent or unknown."""

LOOK_S = 1.0
SIGN_ON_PAUSE_S = 15.0
"""After a sign-on in the background that failed the next one waits so long."""

READY_MARGIN_S = 5.0
UNDONE_WAIT_S = 3.0
"""How long a cashier waits, after an unknown outcome, to see the reversal acknowledged."""


class Till(Protocol):
    """What the menu asks of a terminal."""

    patience_s: float

    @property
    def linked(self) -> bool:
        """Whether there is a line to the acquirer."""

    async def device(self) -> Device | None:
        """The terminal's own row."""

    async def requests(self) -> list[Sale]:
        """All business requests and settlements of the journal, the newest first."""

    async def waits(self) -> Mapping[str, Any]:
        """What is open: `in_flight`, `reversal`, `settling` (trace keys) and `told` (a list of them)."""

    async def ask(self, name: str, arguments: Mapping[str, Any], presented: Presented, operator: str) -> Value:
        """A business request; with `not-ready` in it where it was not even begun."""

    async def do(self, name: str, operator: str) -> Value:
        """The terminal's own business: sign-on, sign-off, echo, download, deliver, settle."""

    async def undone(self) -> bool:
        """Wait a little for the reversal that is open; whether nothing is open any more."""


class Line:
    """What the terminal says while it works: a cashier wants to know whether the line is up, and of a journal that was
    damaged.
    """

    def __init__(self) -> None:
        self.linked = False
        self._news: list[str] = []

    def __call__(self, event: str, **_: object) -> None:
        if event.startswith(("host", "link to host")):
            self.linked = event == HOST_LINKED
        elif event.startswith(ABOUT_JOURNAL):
            self._news.append(event)

    def news(self) -> list[str]:
        """What was said of the journal since the last time: a person must read it."""
        told, self._news = self._news, []
        return told


class LiveTill:
    """A terminal at work; one thing at a time, as there is one request in flight at a time."""

    def __init__(self, pos: Pos, line: Line, patience_s: float) -> None:
        self.patience_s = patience_s
        self._line = line
        self._pos = pos
        self._one = asyncio.Lock()
        self._signed_off = False
        self._background: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on what can be done without anybody is done."""
        self._background = asyncio.create_task(self._keep())

    async def end(self) -> None:
        """No more of it."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)

    @property
    def linked(self) -> bool:
        """See `Till`."""
        return self._line.linked

    async def device(self) -> Device | None:
        """See `Till`."""
        return await self._pos.device()

    async def requests(self) -> list[Sale]:
        """See `Till`."""
        sales: list[Sale] = await self._pos.reader.select(SALES, {}, order="sequence")
        return [sale for sale in sales if sale.batch or sale.totals]

    async def waits(self) -> Mapping[str, Any]:
        """See `Till`."""
        return await self._pos.waits()

    async def ask(self, name: str, arguments: Mapping[str, Any], presented: Presented, operator: str) -> Value:
        """See `Till`. An advice needs no line, once there was a sign-on."""
        async with self._one:
            device = await self._pos.device()
            if not KINDS[name].advice or device is None or device.mak is None:
                no = await self._ready(operator)
                if no is not None:
                    return not_ready(KINDS[name].name, no)
            return await asked(self._pos, name, arguments, presented, operator)

    async def do(self, name: str, operator: str) -> Value:
        """See `Till`."""
        async with self._one:
            self._signed_off = name == "sign-off"
            if name in ("sign-on", "echo"):
                return await self._pos.tell(name, {}, operator)
            no = await self._ready(operator)
            if no is not None and name != "deliver":
                return not_ready(name, no)
            if name == "settle":
                return await self._pos.settle(operator)
            if name == "deliver":
                left = await self._pos.tell_all(self.patience_s)
                return {"outcome": "approved", "kind": name, "left": len(left)}
            return await self._pos.tell(name, {}, operator)

    async def undone(self) -> bool:
        """See `Till`."""
        async with self._one:
            return await self._pos.ready(SYSTEM, UNDONE_WAIT_S) is None

    async def _ready(self, operator: str) -> NotReady | None:
        return await self._pos.ready(operator, self.patience_s + READY_MARGIN_S)

    async def _keep(self) -> None:
        """A line that came back is made use of, unless somebody has signed off on purpose."""
        was_linked, rest_s = self.linked, 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            rest_s = max(0.0, rest_s - LOOK_S)
            came_back, was_linked = self.linked and not was_linked, self.linked
            device = await self._pos.device()
            if device is None or self._one.locked() or self._signed_off or not self.linked:
                continue
            lacking = (not device.signed_on or device.mending) and not device.in_flight and not rest_s
            if came_back or lacking:
                rest_s = SIGN_ON_PAUSE_S
                async with self._one:
                    # What fails here fails again, and is shown, when somebody asks.
                    with contextlib.suppress(HoldfastError):
                        await self._pos.ready(SYSTEM, LOOK_S)


def not_ready(kind: str, no: NotReady) -> Value:
    """Nothing was asked, and why."""
    told = {"outcome": "declined", "response_code": no.response_code, "kind": kind, "reason": no.says}
    return {**told, NOT_READY: no.outcome}
