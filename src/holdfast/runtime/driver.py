"""Runs an engine: batch after batch, without a fixed wait, until it is told to stop.

Rule 1: a batch starts when the one before it ended and something waits. Due rows are looked for ten times a second,
the lease is prolonged once a second, both also when nothing else happens, and never beside a batch.
Rule 2: a database that is away is waited for; the events wait too, and nothing is answered meanwhile. Where somebody
stands and waits, his commands are turned away at once instead, so that nothing is done when he is gone.
Rule 3: who lost his log to another writer stops at once. So does whoever finds himself in a state that cannot be.
Rule 4: told to stop, it finishes what it has begun as far as a few seconds allow; the rest is in the database. One that
does not answer is not waited for any longer than that.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from holdfast.errors import Fenced, StoreError
from holdfast.parties.step import Command, Event
from holdfast.runtime.engine import CLAIM_MAX, Engine, Log
from holdfast.runtime.links import Links

CLAIM_INTERVAL_S = 0.1
KEEP_INTERVAL_S = 1.0
BACK_OFF_S_MIN, BACK_OFF_S_MAX = 0.1, 2.0
DRAIN_PATIENCE_S = 5.0
LET_GO_S = 1.0
"""So long may what is being committed take when the patience is over."""


class CountedLinks(Links):
    """Links that can say how many requests wait for an answer."""

    @property
    def in_flight(self) -> int:
        """How many callers and terminals wait for an answer."""
        return len(self._waits) + len(self._callers)


class StoreWords(NamedTuple):
    """How the log says that the store is away, and that it is back."""

    away: str
    back: str


DATABASE_WORDS = StoreWords("the database does not answer", "the database answers again")


class Driver:
    """One engine's loop. `offer` and `stop` may be called at any time from the same thread."""

    def __init__(
        self,
        engine: Engine,
        links: CountedLinks,
        log: Log,
        refused: Callable[[Command, bool], Mapping[str, Any]] | None = None,
        words: StoreWords = DATABASE_WORDS,
    ) -> None:
        """`refused` makes the outcome of a command that the database refuses (see `Engine.turn_away`); without it
        commands wait, too.
        """
        self._engine = engine
        self._links = links
        self._log = log
        self._refused = refused
        self._words = words
        self._wake = asyncio.Event()
        self._until_s: float | None = None
        self._running: asyncio.Task[object] | None = None
        self._let_go_of = False
        self._back_off_s = 0.0
        self._claim_at_s = self._keep_at_s = 0.0

    def wake(self) -> None:
        """Something was offered to the engine."""
        self._wake.set()

    def offer(self, event: Event) -> None:
        """One more event."""
        self._engine.offer(event)
        self._wake.set()

    def stop(self, patience_s: float = DRAIN_PATIENCE_S) -> None:
        """Finish what waits and what is in flight, and return from `run`."""
        if self._until_s is None:
            loop = asyncio.get_running_loop()
            self._until_s = loop.time() + patience_s
            loop.call_at(self._until_s + LET_GO_S, self._let_go)
            self._wake.set()

    @property
    def refusing(self) -> bool:
        """Whether the database refused what was tried last."""
        return self._back_off_s > 0

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._until_s is not None

    async def run(self, after_turn: Callable[[], None], each_second: Callable[[], None]) -> None:
        """Until `stop`; Fenced when another writer has the log. The engine has taken its log before."""
        self._running = asyncio.current_task()
        try:
            await self._turns(after_turn, each_second)
            with contextlib.suppress(StoreError):
                await self._engine.leave()
        except asyncio.CancelledError:
            if not self._let_go_of or self._running is None:
                raise
            self._running.uncancel()
        finally:
            self._running = None

    async def _turns(self, after_turn: Callable[[], None], each_second: Callable[[], None]) -> None:
        while not self._over():
            await self._rest()
            try:
                await self._work(each_second)
            except Fenced:
                raise
            except StoreError as error:
                await self._back_off(error)
            else:
                self._recover()
            after_turn()

    def _let_go(self) -> None:
        if self._running is not None:
            self._log(f"{self._words.away}, stopping without it", waiting=len(self._engine.waiting))
            self._let_go_of = True
            self._running.cancel()

    def _over(self) -> bool:
        if self._until_s is None:
            return False
        if asyncio.get_running_loop().time() >= self._until_s:
            return True
        return not self._engine.waiting and not self._links.in_flight

    async def _rest(self) -> None:
        """Until something waits, or it is time to look after due rows or the lease."""
        if self._engine.waiting:
            return
        self._wake.clear()
        loop = asyncio.get_running_loop()
        alarm = loop.call_at(min(self._claim_at_s, self._keep_at_s), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    async def _work(self, each_second: Callable[[], None]) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._keep_at_s:
            await self._engine.keep()
            each_second()
            self._keep_at_s = now_s + KEEP_INTERVAL_S
        claim = now_s >= self._claim_at_s
        done = await self._engine.turn(claim)
        if claim and done.events < CLAIM_MAX:
            self._claim_at_s = now_s + CLAIM_INTERVAL_S

    async def _back_off(self, error: StoreError) -> None:
        if not self._back_off_s:
            self._log(f"{self._words.away}, waiting for it", reason=str(error))
        self._back_off_s = min(max(2 * self._back_off_s, BACK_OFF_S_MIN), BACK_OFF_S_MAX)
        if self._refused is not None:
            self._engine.turn_away(self._refused)
        await asyncio.sleep(self._back_off_s)

    def _recover(self) -> None:
        if self._back_off_s:
            self._log(self._words.back, waiting=len(self._engine.waiting))
            self._back_off_s = 0.0
