"""What is typed: single keys and lines at a real terminal, lines where the input is a pipe or a file.

A thread of its own reads, so that nothing of the terminal's work ever waits for a person. At a real terminal Ctrl-C is
a key like any other; elsewhere it is the signal.

Whoever writes Chinese types full-width figures and `。` for a point without knowing: they become what is meant. What is
typed is kept or refused with a bell, never left out in silence: 500。00 without its point is a hundred times as much.
"""

import asyncio
import codecs
import contextlib
import os
import signal
import termios
import threading
from collections.abc import Callable
from typing import Any, Self, TextIO

from holdfast.edges.paper import columns

ESCAPE, ENTER = "\x1b", "\n"
_CTRL_C, _CTRL_D, _CTRL_U = "\x03", "\x04", "\x15"
_BACKSPACES = "\x7f\b"
_ERASING = _BACKSPACES + _CTRL_U
_BELL = "\a"

_HALF_WIDTH = {0xFF00 + at: 0x20 + at for at in range(1, 0x5F)} | {ord("。"): ".", ord("\u3000"): " "}
"""What an input method gives in full width -> the same in ASCII."""

LINE_CHARS_MAX = 64
SEQUENCE_WAIT_S = 0.05
"""Escape alone is a key; with more behind it within this time it is one that we do not know, like an arrow."""
ENTER_WAIT_S = 0.5
"""Enter so soon behind a key that chose something belongs to it, and answers nothing."""


class Back(Exception):
    """This question is left, and what it was for."""


class Leave(Exception):
    """Nothing more will be typed: end properly."""


class Keyboard:
    """Keys and lines from a file descriptor. Use it as a context, inside the running loop."""

    def __init__(self, source: TextIO, target: TextIO) -> None:
        self._fd = source.fileno()
        self._target = target
        self.interactive = source.isatty() and target.isatty()
        self._typed = ""
        self._over = False
        self._more = asyncio.Event()
        self.interrupted = asyncio.Event()
        """Ctrl-C was pressed."""
        self._loop = asyncio.get_running_loop()
        self._before: list[Any] | None = None
        self._chosen_s = -ENTER_WAIT_S

    def __enter__(self) -> Self:
        if self.interactive:
            self._before = termios.tcgetattr(self._fd)
            raw = termios.tcgetattr(self._fd)
            raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, raw)
        self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._end)
        # A daemon, because nobody can call a read of a terminal back.
        threading.Thread(target=self._read, name="keyboard", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._loop.remove_signal_handler(number)
        if self._before is not None:
            # A terminal that was closed cannot be set back.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        # A character of three bytes may come in two reads.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # A loop that was closed meanwhile wants no more keys.
        with contextlib.suppress(RuntimeError):
            while True:
                try:
                    chunk = os.read(self._fd, 1024)
                except OSError:
                    chunk = b""
                if not chunk:
                    self._loop.call_soon_threadsafe(self._end)
                    return
                self._loop.call_soon_threadsafe(self._take, decoder.decode(chunk))

    def _take(self, text: str) -> None:
        if self.interactive and _CTRL_C in text:
            self._interrupt()
            text = text.rpartition(_CTRL_C)[2]
        self._typed += text.replace("\r\n", "\n").replace("\r", "\n").translate(_HALF_WIDTH)
        self._more.set()

    def _end(self) -> None:
        self._over = True
        self._more.set()

    def _interrupt(self) -> None:
        self._typed = "" if self.interactive else self._typed
        self.interrupted.set()
        self._more.set()

    # --- whoever asks ---------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether a person who sat at a terminal is gone."""
        return self._over and self.interactive

    def forget(self) -> None:
        """What was typed while nothing was asked is no answer to what will be asked now."""
        self.interrupted.clear()
        if self.interactive:
            self._typed = ""

    def expect_enter(self) -> None:
        """The last key chose something: many press Enter behind it, although none is wanted."""
        self._chosen_s = self._loop.time()

    async def key(self) -> str:
        """One key; of a pipe the first character of a line, ENTER for an empty one. Back, Leave."""
        if self.interactive:
            return await self._key()
        return (await self._piped_line())[:1] or ENTER

    async def line(self, secret: bool = False) -> str:
        """One line without its end; `secret` shows stars. Back at Escape, Leave."""
        if not self.interactive:
            line = await self._piped_line()
            if line == ESCAPE:
                raise Back
            return line
        text = ""
        while True:
            key = await self._key()
            if key == ENTER:
                return text
            if key == ESCAPE:
                raise Back
            kept = edited(text, key)
            self._echo(text, kept, secret, key)
            text = kept

    def _echo(self, before: str, after: str, secret: bool, key: str) -> None:
        if len(after) > len(before):
            self._target.write("*" if secret else after[-1])
        elif after == before and key and key not in _ERASING:
            self._target.write(_BELL)
        else:
            gone = before[len(after) :]
            self._target.write("\b \b" * (len(gone) if secret else columns(gone)))
        self._target.flush()

    async def _key(self) -> str:
        key = await self._next()
        chosen_s, self._chosen_s = self._chosen_s, -ENTER_WAIT_S
        if key == "\n" and self._loop.time() - chosen_s < ENTER_WAIT_S:
            key = await self._next()
        if key == _CTRL_D:
            raise Leave
        if key != ESCAPE:
            return ENTER if key == "\n" else key
        await asyncio.sleep(SEQUENCE_WAIT_S)
        if self._typed[:1] in ("[", "O"):
            self._typed = self._typed.lstrip("[O0123456789;")[1:]
            return ""
        return ESCAPE

    async def _next(self) -> str:
        await self._until(lambda: bool(self._typed))
        key, self._typed = self._typed[0], self._typed[1:]
        return key

    async def _piped_line(self) -> str:
        await self._until(lambda: "\n" in self._typed)
        line, _, self._typed = self._typed.partition("\n")
        return line.strip()

    async def _until(self, there: Callable[[], bool]) -> None:
        while not there():
            if self.interrupted.is_set():
                self.forget()
                raise Back
            if self._over:
                raise Leave
            self._more.clear()
            await self._more.wait()


def edited(text: str, key: str) -> str:
    """The line after one key; what cannot be shown, and what no longer fits, leaves it as it is."""
    if key and key in _BACKSPACES:
        return text[:-1]
    if key == _CTRL_U:
        return ""
    fits = len(key) == 1 and key.isprintable() and len(text) < LINE_CHARS_MAX
    return text + key if fits else text
