"""The person at the terminal: what is shown, what is asked, and what waits.

Rule 1: every question can be left, by Escape, an empty line or 0; and by Ctrl-C.
Rule 2: wrong input is told what is expected and asked again, three times; then the question is left.
Rule 3: what is typed ahead answers the next questions, until a remark says that something did not fit. What is
confirmed, and what is to be read, wants a key of its own.
Rule 4: what is typed while the acquirer is asked answers nothing; Ctrl-C then says what will happen, and a second one
leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TextIO, TypeVar

from holdfast.edges.shell import screens, words
from holdfast.edges.shell.keyboard import ENTER, ESCAPE, Back, Keyboard, Leave
from holdfast.edges.shell.layout import Page, in_pages, paragraph
from holdfast.edges.shell.screens import Facts, Stand
from holdfast.edges.shell.till import Till
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import Language

Found = TypeVar("Found")
Parse = Callable[[str], Found | Said]
"""What was typed -> what it means, or what is wrong with it."""

TRIES = 3
CLEAR = "\x1b[H\x1b[2J\x1b[3J"
BRIGHT, PLAIN = "\x1b[7m", "\x1b[0m"
LOOK_S = 1.0

ZERO = "0"
LANGUAGE_KEYS = "lL"


class Desk:
    """Pages out, keys in. `title` and `facts` are of the form that is being filled in."""

    def __init__(self, keyboard: Keyboard, target: TextIO, till: Till, language: Language) -> None:
        self.till = till
        self.language = language
        self.operator = ""
        self.news: Callable[[], Sequence[str]] = tuple
        """What a person must read before anything else is chosen."""
        self._keyboard = keyboard
        self._target = target

    @property
    def interactive(self) -> bool:
        """Whether a person sits at a real terminal."""
        return self._keyboard.interactive

    def say(self, said: Said, **facts: object) -> str:
        """A text in the language of this desk."""
        return said(self.language, **facts)

    async def stand(self) -> Stand:
        """How the terminal stands now."""
        waits = await self.till.waits()
        return Stand(await self.till.device(), self.operator, self.till.linked, len(waits.get("told", ())))

    # --- showing --------------------------------------------------------------------------------------------------

    async def show(self, body: Iterable[str], prompt: str = "", remark: str = "") -> None:
        """One page; the cursor stands behind the prompt."""
        self._put(await self._page(body, prompt, remark))

    async def _page(self, body: Iterable[str], prompt: str, remark: str = "") -> Page:
        return Page(screens.head(await self.stand(), self.language), tuple(body), remark, prompt)

    def _put(self, page: Page) -> None:
        lines = page.lines()
        if self.interactive:
            lines[0] = f"{BRIGHT}{lines[0]}{PLAIN}"
            self._target.write(CLEAR + "\n".join(lines))
        else:
            kept = [line for at, line in enumerate(lines) if line or (lines[at - 1] and at)]
            self._target.write("\n".join([*kept, ""]))
        self._target.flush()

    async def read(self, body: Iterable[str], last: Said = words.ENTER_BACK) -> None:
        """Something to read, page by page; a long one can be left before its end."""
        *first, final = in_pages(body)
        try:
            for page in first:
                await self.show(page, self.say(words.ENTER_MORE))
                if await self._pressed() in (ZERO, ESCAPE):
                    return
            await self.show(final, self.say(last))
            await self._pressed()
        except Back:
            return

    async def _pressed(self) -> str:
        """The next key that is one; what was typed before the page was there is none."""
        self._keyboard.forget()
        while True:
            key = await self._keyboard.key()
            if key:
                return key

    def end(self, lines: Sequence[str]) -> None:
        """The last that is said; what stood on the screen is gone."""
        clear = CLEAR if self.interactive else "\n"
        self._target.write(clear + "\n".join([*lines, ""]))
        self._target.flush()

    # --- asking ---------------------------------------------------------------------------------------------------

    async def choose(self, title: Said, entries: Sequence[Said], last: Said = words.BACK, remark: str = "") -> int:
        """The number of an entry, 0 for the last one; the language can be switched. Back at Ctrl-C."""
        wrong = 0
        while True:
            self._heed(remark)
            body = screens.menu(self.say(title), [self.say(each) for each in entries], self.say(last), self.language)
            key = await self._key_on(body, self.say(words.CHOOSE, n=len(entries)), remark)
            if key in LANGUAGE_KEYS:
                self.switch()
            elif key == ESCAPE or (key == ENTER and not self.interactive):
                return 0
            elif key == ENTER:
                continue
            elif key.isdecimal() and key.isascii() and int(key) <= len(entries):
                self._keyboard.expect_enter()
                return int(key)
            else:
                wrong += 1
                remark = self.say(words.NOT_AN_ENTRY, n=len(entries))
                if wrong >= TRIES and not self.interactive:
                    return 0

    async def _key_on(self, body: Sequence[str], prompt: str, remark: str) -> str:
        """A key; meanwhile the head of the page follows how the terminal stands."""
        shown = await self._page(body, prompt, remark)
        self._put(shown)
        typed = asyncio.create_task(self._keyboard.key())
        try:
            while True:
                await asyncio.wait((typed,), timeout=LOOK_S if self.interactive else None)
                if typed.done():
                    # What is no key of ours (an arrow) is not worth a word.
                    return typed.result() or await self._key_on(body, prompt, remark)
                now = await self._page(body, prompt, remark)
                if now != shown:
                    shown = now
                    self._put(shown)
        finally:
            typed.cancel()

    def _heed(self, remark: str) -> None:
        """Behind a remark nothing counts that was typed before it could be read."""
        if remark:
            self._keyboard.forget()

    def switch(self) -> None:
        """The other language."""
        self.language = "en" if self.language == "zh" else "zh"

    async def ask(
        self,
        title: str,
        facts: Facts,
        asked: tuple[Said, Said],
        parse: Parse[Found],
        *,
        secret: bool = False,
        empty: bool = False,
    ) -> Found:
        """One line; `asked` is its name and what is expected, `empty` says that an empty line means something."""
        name, expected = asked
        remark = ""
        leave = self.say(words.HOW_TO_LEAVE_PIN if empty else words.HOW_TO_LEAVE)
        for _ in range(TRIES):
            await self.show(screens.form(title, facts, self.say(expected), leave), f"{self.say(name)}: ", remark)
            self._heed(remark)
            line = (await self._keyboard.line(secret)).strip()
            if line == ZERO or not (line or empty):
                raise Back
            found = parse(line)
            if not isinstance(found, Said):
                return found
            remark = self.say(found)
        raise ThreeTimes

    async def choose_one(self, title: str, facts: Facts, question: Said, ways: Sequence[Said]) -> Said:
        """One of several ways, in the middle of a form."""
        body = screens.form(title, facts, self.say(question), "")
        body += ["", *(f"      {number}  {self.say(way)}" for number, way in enumerate(ways, 1))]
        body += ["", f"      0  {self.say(words.BACK)}"]
        remark = ""
        for _ in range(TRIES):
            await self.show(body, self.say(words.CHOOSE_ONE, n=len(ways)), remark)
            self._heed(remark)
            key = await self._keyboard.key()
            while not key or (key == ENTER and self.interactive):
                key = await self._keyboard.key()
            if key in (ZERO, ESCAPE, ENTER):
                raise Back
            if key in "123456789"[: len(ways)]:
                self._keyboard.expect_enter()
                return ways[int(key) - 1]
            remark = self.say(words.NOT_AN_ENTRY, n=len(ways))
        raise ThreeTimes

    async def confirm(self, body: Sequence[str], prompt: Said = words.YES_NO, answers: str = "1") -> str:
        """One of these keys; anything else is not meant. Back at 0, Escape, and where nothing fits three times."""
        remark = ""
        for _ in range(TRIES):
            await self.show(body, self.say(prompt), remark)
            key = await self._pressed()
            if key in (ZERO, ESCAPE, ENTER):
                raise Back
            if key in answers:
                return key
            remark = self.say(prompt)
        raise ThreeTimes

    # --- waiting --------------------------------------------------------------------------------------------------

    async def wait(self, body: Sequence[str], work: Awaitable[Found]) -> Found:
        """Something that takes a while: the seconds go by, and it cannot be called back. Leave at a second Ctrl-C."""
        await self.show(body)
        self._keyboard.forget()
        began_s, remark = asyncio.get_running_loop().time(), ""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                pressed = asyncio.create_task(self._keyboard.interrupted.wait())
                await asyncio.wait((task, pressed), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                pressed.cancel()
                if self._keyboard.over or (self._keyboard.interrupted.is_set() and remark):
                    raise Leave
                if self._keyboard.interrupted.is_set() and not task.done():
                    self._keyboard.forget()
                    remark = self.say(words.INTERRUPTED)
                    await self.show([*body, "", *paragraph(remark)])
                if self.interactive and not task.done():
                    self._tick(round(asyncio.get_running_loop().time() - began_s))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._keyboard.forget()
        return task.result()

    def _tick(self, seconds: int) -> None:
        self._target.write(f"\r\x1b[K   {self.say(words.ELAPSED, s=seconds)}")
        self._target.flush()


class ThreeTimes(Back):
    """Left because nothing fitted."""
