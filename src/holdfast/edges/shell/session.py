"""From the operator's number to good-bye: the menus, and what becomes of what is left open."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import typer

from holdfast.clock import SECOND_US
from holdfast.edges.counter import Counter, address_of, folder_of, is_sample, load_if_needed
from holdfast.edges.paper import wrapped
from holdfast.edges.shell import batch, business, own, screens, words
from holdfast.edges.shell.desk import Desk, ThreeTimes
from holdfast.edges.shell.keyboard import Back, Keyboard, Leave
from holdfast.edges.shell.layout import WIDTH
from holdfast.edges.shell.till import Line, LiveTill
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import Language
from holdfast.edges.whole_file import put_in_place
from holdfast.errors import BadInput, HoldfastError, Unreachable
from holdfast.parties.operators import role_of, why_not
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.config import Address
from holdfast.runtime.pos import Pos, file_of

Chosen = TypeVar("Chosen")
Entry = tuple[Said, Chosen]

BATCH_MENU: tuple[Entry[Callable[[Desk], Awaitable[None]]], ...] = (
    (words.SETTLE, batch.settle),
    (words.TOTALS, batch.totals),
    (words.LAST, batch.last),
    (words.REPRINT, batch.reprint),
    (words.UNREGISTERED, batch.unregistered),
)

MAIN_MENU: tuple[Entry[str], ...] = (
    (words.HOLDS, "holds"),
    (words.SALES, "sales"),
    (words.BALANCE, "balance"),
    (words.BATCH_MENU, "batch"),
    (words.TERMINAL, "terminal"),
)


def shell(context: typer.Context) -> None:
    """A menu on the screen, as on a POS; it stays in sync. 菜单"""
    counter: Counter = context.obj
    if counter.json:
        raise BadInput("a menu is for people: shell prints no JSON")
    if counter.named_operator is not None and role_of(counter.named_operator) is None:
        raise BadInput(f"there is no operator {counter.named_operator}: 01 to 20, 00 or 99")
    asyncio.run(at_counter(counter, language_of(context, counter)))


def add_to(app: typer.Typer) -> None:
    """The action `shell`."""
    app.command("shell")(shell)


# --- the language, remembered per terminal ------------------------------------------------------------------------


def language_file(counter: Counter) -> Path:
    """Where the language of this terminal's menu is kept, beside its journal."""
    return file_of(counter.folder, counter.terminal_id).with_suffix(".language")


def language_of(context: typer.Context, counter: Counter) -> Language:
    """--lang, where it was given; else the language in which the menu was left; else Chinese."""
    options = context.parent
    source = options.get_parameter_source("lang") if options is not None else None
    if source is not None and source.name == "COMMANDLINE":
        return counter.language
    with contextlib.suppress(OSError):
        if language_file(counter).read_text(encoding="ascii").strip() == "en":
            return "en"
    return "zh"


# --- a terminal at work -------------------------------------------------------------------------------------------


async def at_counter(counter: Counter, language: Language) -> None:
    """Open the terminal, let the menu run, close it, and say what is left open."""
    line = Line()
    settings = TerminalSettings(counter.terminal_id, int(counter.patience_s * SECOND_US))
    pos = await Pos.open(folder_of(counter), settings, line, load_again=is_sample(counter.terminal_id))
    try:
        address = address_of(counter)
        await load_if_needed(pos)
        till = LiveTill(pos, line, counter.patience_s)
        with Keyboard(sys.stdin, sys.stdout) as keyboard:
            desk = Desk(keyboard, sys.stdout, till, language)
            desk.news = line.news
            await desk.show(screens.opening(language))
            await connected(pos, address)
            till.begin()
            try:
                await run(desk, counter.named_operator)
            finally:
                await till.end()
        with put_in_place(language_file(counter), force=True) as draft:
            draft.write_text(desk.language, encoding="ascii")
        await say_good_bye(desk)
    finally:
        await pos.close()


async def connected(pos: Pos, address: Address) -> None:
    """A line, if there is one; the menu opens without, too, and the line is tried for as long as it stays."""
    with contextlib.suppress(Unreachable):
        await pos.connect(address)


async def say_good_bye(desk: Desk) -> None:
    """What will happen to what is open."""
    waits = await desk.till.waits()
    lines = [desk.say(said, key=waits[name]) for name, said in LEFT.items() if waits.get(name)]
    if waits.get("told"):
        lines.append(desk.say(words.LEFT_UNSENT, n=len(waits["told"])))
    desk.end([line for text in (*lines, desk.say(words.LEAVING)) for line in wrapped(text, WIDTH)])


LEFT = {
    "in_flight": words.LEFT_IN_FLIGHT,
    "reversal": words.LEFT_REVERSAL,
    "settling": words.LEFT_SETTLING,
}


# --- menus --------------------------------------------------------------------------------------------------------


async def run(desk: Desk, operator: str | None) -> None:
    """Operator, sign-on, menus, until somebody leaves."""
    with contextlib.suppress(Leave):
        if operator is None:
            try:
                await own.ask_operator(desk)
            except Back:
                return
        desk.operator = operator or desk.operator
        device = await desk.till.device()
        # Without a line the menu opens all the same: an advice needs none.
        if device is not None and not device.signed_on and desk.till.linked:
            await own.sign_on(desk)
        await main_menu(desk)


async def main_menu(desk: Desk) -> None:
    """Until 0 twice, or Ctrl-C, at the main menu: Escape is pressed once too often by everybody."""
    remark, leaving = "", False
    while True:
        for text in desk.news():
            await desk.read(screens.plainly(desk.say(words.JOURNAL), desk.say(words.READ_THIS), text))
        try:
            chosen = await desk.choose(words.MAIN, [said for said, _ in MAIN_MENU], words.LEAVE, remark)
        except Back:
            return
        if chosen == 0 and (leaving or not desk.interactive):
            return
        leaving = chosen == 0
        if leaving:
            remark = desk.say(words.PRESS_AGAIN)
            continue
        said, name = MAIN_MENU[chosen - 1]
        remark = await sub_menu(desk, said, name)


async def sub_menu(desk: Desk, title: Said, name: str) -> str:
    """What an entry of the main menu leads to; -> a remark for the main menu."""
    if name == "balance":
        return await left_well(desk, "balance", lambda: business.request(desk, "balance", title))
    if name in ("holds", "sales"):
        entries = business.MENU_HOLDS if name == "holds" else business.MENU_SALES
        return await stay_in(desk, title, entries, lambda said, it: left_well(desk, it, ask_of(desk, it, said)))
    if name == "terminal":
        return await stay_in(
            desk, title, own.MENU, lambda said, it: left_well(desk, it, lambda: own.do(desk, it, said))
        )
    return await stay_in(desk, title, BATCH_MENU, lambda said, it: left_well(desk, "", lambda: it(desk)))


def ask_of(desk: Desk, name: str, title: Said) -> Callable[[], Awaitable[None]]:
    """A request, to be begun."""
    return lambda: business.request(desk, name, title)


async def stay_in(
    desk: Desk, title: Said, entries: Sequence[Entry[Chosen]], act: Callable[[Said, Chosen], Awaitable[str]]
) -> str:
    """A menu below the main one, until it is left."""
    remark = ""
    while True:
        try:
            chosen = await desk.choose(title, [said for said, _ in entries], words.BACK, remark)
        except Back:
            return ""
        if chosen == 0:
            return ""
        remark = await act(*entries[chosen - 1])


OF_EVERYBODY = frozenset({"", "parameters", "operator", "language"})
"""What needs no right of an operator, because it is only looked at."""


async def left_well(desk: Desk, command: str, work: Callable[[], Awaitable[None]]) -> str:
    """Do it, if this operator may; -> what is said of it when it was left in the middle."""
    if command not in OF_EVERYBODY and why_not(desk.operator, command) is not None:
        return desk.say(words.NOT_HIS, who=desk.operator)
    try:
        await work()
    except ThreeTimes:
        return desk.say(words.THREE_TIMES)
    except Back:
        return desk.say(words.LEFT)
    except HoldfastError as error:
        await desk.read(screens.fault(str(error), desk.language))
    return ""
