"""What a connection that breaks off means, and what is said of it."""

from typing import Any

import asyncpg
import pytest

from holdfast.errors import StoreError
from holdfast.store import postgres_link
from holdfast.store.postgres_link import Link, one_line

BROKEN_OFF = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
"""What asyncpg says when the server dies between two messages."""

CLOSED = "the server ended the connection in the middle of an answer"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BROKEN_OFF, CLOSED),
        (asyncpg.InterfaceError("cannot call Transaction.__aexit__(): the underlying connection is closed"), CLOSED),
        (asyncpg.InterfaceError("the server expects 1 argument"), "the server expects 1 argument"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (TimeoutError(), "no answer in time"),
        (asyncpg.PostgresError("two\nlines"), "two lines"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_loss_is_said_in_words_that_a_person_knows(error: Exception, says: str) -> None:
    assert one_line(error) == says


async def test_a_server_that_dies_while_it_is_asked_for_again_is_asked_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []

    async def connect(*_: Any, **__: Any) -> object:
        made.append(object())
        if len(made) == 1:
            raise BROKEN_OFF
        return made[-1]

    monkeypatch.setattr(asyncpg, "connect", connect)
    assert await Link("postgresql:///x", "acquirer", {}).connection() is made[1]


async def test_a_server_that_keeps_dying_is_a_store_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: Any, **__: Any) -> object:
        raise BROKEN_OFF

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(postgres_link, "PATIENCE_S", 0.15)
    with pytest.raises(StoreError, match="stays away: the server ended the connection"):
        await Link("postgresql:///x", "acquirer", {}).connection()
