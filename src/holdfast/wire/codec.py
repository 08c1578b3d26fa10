"""Bytes are a Message or a WireError, and a Message is one string of bytes.

`decode` and `encode` choose the way by what is in the message: the plain codec, until a bitmap has been good often
enough to be worth compiling, then the compiled one. Both ways give the same result; only the time differs. What is
remembered is bounded, so that a peer who invents bitmaps gains nothing but the plain way.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Generic, TypeVar

from holdfast.wire.compiled import compile_reader, compile_writer
from holdfast.wire.dialect import Dialect
from holdfast.wire.message import Message
from holdfast.wire.plain import fields_of, read_message, write_message

WAYS_MAX = 256
"""Bitmaps remembered each way; all message kinds of a day at a busy acquirer are a few dozen."""

COMPILE_AFTER = 8
"""Good messages of one bitmap before it is compiled: compiling costs about as much as fifty plain readings."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def decode(dialect: Dialect, body: bytes) -> Message:
    """The message that a frame body (without its length prefix) is; WireError with field, byte of `body` and reason.

    Text comes without the fill of its field: DE41 `"T1      "` is "T1". A track's separator is "=".
    """
    start = dialect.bitmap_at
    end = start + dialect.bitmap_bytes
    bitmap = body[start:end]
    if dialect.wide and bitmap[:1] >= (b"\x80" if dialect.bitmap == "binary" else b"8"):
        bitmap = body[start : end + dialect.bitmap_bytes]
    return _reading(dialect, bitmap).take(body)


def encode(dialect: Dialect, message: Message) -> bytes:
    """The body of a message, to be framed; WireError with the field (byte 0) whose value does not fit.

    A message of our own gets the dialect's TPDU and header; `raw` is not looked at. Text shorter than a fixed field is
    filled up with spaces; digits are never filled up, because a missing digit is a mistake.
    """
    return _writing(dialect, tuple(message.fields)).take(message)


class _Way(Generic[_Given, _Made]):
    """How messages of one bitmap go: `take` is the plain codec at first, and the compiled one from then on."""

    __slots__ = ("_compiled", "_good", "_plain", "take")

    def __init__(self, plain: Callable[[_Given], _Made], compiled: Callable[[], Callable[[_Given], _Made]]) -> None:
        self._plain = plain
        self._compiled = compiled
        self._good = 0
        self.take: Callable[[_Given], _Made] = self._take_plain

    def _take_plain(self, given: _Given) -> _Made:
        made = self._plain(given)
        self._good += 1
        if self._good == COMPILE_AFTER:
            self.take = self._compiled()
        return made


@lru_cache(maxsize=WAYS_MAX)
def _reading(dialect: Dialect, bitmap: bytes) -> _Way[bytes, Message]:
    return _Way(partial(read_message, dialect), lambda: compile_reader(dialect, fields_of(dialect, bitmap)))


@lru_cache(maxsize=WAYS_MAX)
def _writing(dialect: Dialect, numbers: tuple[int, ...]) -> _Way[Message, bytes]:
    return _Way(partial(write_message, dialect), lambda: compile_writer(dialect, sorted(numbers)))
