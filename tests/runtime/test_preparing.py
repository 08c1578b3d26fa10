"""A database that goes away while it is being prepared is waited for; what waiting does not mend is told at once."""

import asyncio

import asyncpg
import pytest

from holdfast.errors import HoldfastError, RegisterBroken, StoreError, Unreachable
from holdfast.runtime.preparing import outlasting, was_lost


class Step:
    """Fails as told, once for each error, and then is done."""

    def __init__(self, error: HoldfastError, cause: Exception | None, times: int) -> None:
        error.__cause__ = cause
        self._error = error
        self._times = times
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self._times:
            raise self._error
        return "done"


@pytest.mark.parametrize(
    "cause",
    [
        ConnectionRefusedError(111, "Connection refused"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.InternalClientError("cannot switch to state 12"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        TimeoutError(),
    ],
)
async def test_what_was_lost_is_done_again_and_told_once(cause: Exception) -> None:
    told: list[str] = []
    step = Step(StoreError("the database refused"), cause, 2)
    assert await outlasting(step, told.append) == "done"
    assert (step.tries, told) == (3, ["the database refused; waiting for it"])


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Unreachable("another installation's roles"), None),
        (RegisterBroken("log A is shorter"), None),
        (Unreachable("may not"), asyncpg.InsufficientPrivilegeError("permission denied")),
    ],
)
async def test_what_waiting_does_not_mend_is_told_at_once(error: HoldfastError, cause: Exception | None) -> None:
    step = Step(error, cause, 9)
    with pytest.raises(type(error), match=str(error)):
        await outlasting(step, lambda line: None)
    assert step.tries == 1


async def test_patience_has_an_end_and_says_what_to_do() -> None:
    step = Step(Unreachable("the database at x cannot be reached"), OSError(111, "refused"), 1_000)
    async with asyncio.timeout(5):
        with pytest.raises(Unreachable, match="cannot be reached; waited 0 s for it: see that it runs, then start"):
            await outlasting(step, lambda line: None, patience_s=0.25)
    assert 2 <= step.tries <= 4


def test_a_loss_is_known_by_its_cause() -> None:
    assert not was_lost(Unreachable("none"))
