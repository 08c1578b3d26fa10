"""The menu of a terminal: pages pinned as a cashier sees them, keys, and a whole session through pipes."""

import asyncio
import contextlib
import io
import os
import pty
import re
import tty
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.commands import BUSINESS_KINDS, BY_NAME, PRE_AUTHORIZATION, VOID
from holdfast.domain.records import Device, Sale
from holdfast.domain.response_rows import ROWS
from holdfast.edges.paper import columns
from holdfast.edges.shell import screens, words
from holdfast.edges.shell.desk import Desk
from holdfast.edges.shell.entry import parse_minor
from holdfast.edges.shell.figures import in_words, large
from holdfast.edges.shell.keyboard import ESCAPE, Back, Keyboard, Leave, edited
from holdfast.edges.shell.layout import BODY_LINES, HEIGHT, WIDTH, Page, fit, in_pages
from holdfast.edges.shell.screens import Stand
from holdfast.edges.shell.session import run
from holdfast.edges.shell.till import NOT_READY
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import Language, slip
from holdfast.edges.terminal_cards import Presented
from holdfast.errors import BadInput
from holdfast.money import AMOUNT_MINOR_MAX
from holdfast.parties.entered import check_allowed, wanted_of
from holdfast.parties.page import believed
from holdfast.parties.settings import parameters_from
from tests.edges.slips import ADVISED, DEVICE, PLACED, asked

LANGUAGES: tuple[Language, ...] = ("zh", "en")
NO_FACTS = dict.fromkeys(("pan_sealed", "expiry", "reverses", "late"))


def device(**differs: Any) -> Device:
    """The terminal of the tests, signed on."""
    given = {**DEVICE, "tmk": b"", "register_key": "", "batch": "000001", "stan": 123, "signed_on": True}
    given |= {"mak": b"k", "pik": b"k", "last_entry": "", "in_flight": "", "reversal": "", "asked_n": 3}
    return Device(**{**given, **differs})


def sale(facts: Mapping[str, Any], **differs: Any) -> Sale:
    """A request as its row has it."""
    given = {**NO_FACTS, "at_us": 0, "answered_us": 0, "sequence": 1, "previous": "", "batch": "000001", **facts}
    return Sale(**{**given, **differs})


def shown(body: list[str], language: Language, prompt: str = "", **stands: Any) -> str:
    """The page with this body, at a terminal that stands so."""
    stand = Stand(device(**{k: v for k, v in stands.items() if k not in ("linked", "owed_n")}), "01",
                  stands.get("linked", True), stands.get("owed_n", 0))  # fmt: skip
    lines = Page(screens.head(stand, language), tuple(body), "", prompt).lines()
    assert len(lines) == HEIGHT
    assert max(map(columns, lines)) <= WIDTH
    assert lines[-2] == "", "no remark"
    # Which lines are blank because the page has more of them than its text needs is of no interest.
    text = "\n".join(line.rstrip() for line in lines[:-2]).rstrip("\n")
    return f"{text}\n\n{lines[-1].rstrip()}\n"


# --- pages --------------------------------------------------------------------------------------------------------

MENU_ZH = """\
 和平饭店 T0000001 批次 000001 操作员 01                  线路断 冲正中 待上送2
-------------------------------------------------------------------------------

   主菜单

      1  预授权类
      2  消费类

      0  退出

请选择（0-2，L=English）：
"""

CONFIRM_EN = """\
 Peace Hotel T0000001 BATCH 000001 OP 01                                LINE UP
-------------------------------------------------------------------------------

   Pre-authorization    Please check

   Card            620000******0005

   RMB 20000.00

   #### ####   #### #### ####   #### ####
      # #  #   #  # #  # #  #   #  # #  #
   #### #  #   #  # #  # #  #   #  # #  #
   #    #  # # #  # #  # #  #   #  # #  #
   #### #### # #### #### #### # #### ####

   twenty thousand yuan

1 = yes, 0 = back:
"""

APPROVED_ZH = """\
 和平饭店 T0000001 批次 000001 操作员 01                                 线路通
-------------------------------------------------------------------------------
              签购单              | ========
 -------------------------------- | 交易成功
 商户名称:    和平饭店            | ========
 商户编号:    102100070110001     |
 终端编号:    T0000001            | 预授权
 操作员号:    01                  | RMB 500.00
 卡号:        620000******0005 I  |
 交易类型:    预授权              | 授权码  123456
 批次/凭证:   000001/000123       | 登记条目  A-000123
 授权码:      123456              |
 参考号:      A00000000123        | 完成、追加、撤销均凭此授权码，请保留签购
 日期时间:    2026-11-22 21:34:05 | 单。
 金额:        RMB 500.00          |
 登记条目:    A-000123            | 请持卡人签名，签购单交持卡人一联。
 -------------------------------- |
             交易成功             |
 持卡人签名: ____________________ |
  确认以上交易，同意记入本卡账户  |

按回车返回：
"""

DECLINED_EN = """\
 Peace Hotel T0000001 BATCH 000001 OP 01                                LINE UP
-------------------------------------------------------------------------------

   ================
     DECLINED  25
   ================

   Completion (request)

   Meaning         original not found
   What to do      Check date, authorization code, card and shop against
                   the slip and enter them again. Still 25: keep the slip,
                   call the acquirer, charge nothing anew.

   Amount          RMB 460.50
   Card            620000******0005
   Register        A-000125
   Trace key       T0000001/000001/000124/0200

Enter = back:
"""

UNKNOWN_ZH = """\
 和平饭店 T0000001 批次 000001 操作员 01                          线路通 冲正中
-------------------------------------------------------------------------------

   ============
     结果未明
   ============

   预授权

   请勿再次收款，请勿重做。

   本笔不算成功。终端正在冲正（撤回）这笔请求，直到收单机构确认；期间不能做
   新交易。

   原因            收单机构未应答
   金额            RMB 500.00
   卡号            620000******0005
   交易索引        T0000001/000001/000123/0100

按回车返回：
"""

UNKNOWN_EN = """\
 Peace Hotel T0000001 BATCH 000001 OP 01                       LINE UP REVERSAL
-------------------------------------------------------------------------------

   ===================
     OUTCOME UNKNOWN
   ===================

   Pre-authorization

   DO NOT TAKE IT AGAIN.

   It does not count as taken. The terminal is undoing it until the acquirer
   confirms; nothing new begins before.

   Reason          the acquirer did not answer in time
   Amount          RMB 500.00
   Card            620000******0005
   Trace key       T0000001/000001/000123/0100

Enter = back:
"""

STORED_EN = """\
 Peace Hotel T0000001 BATCH 000001 OP 01                     LINE DOWN UNSENT 1
-------------------------------------------------------------------------------
            SALES SLIP            | ==========================
 -------------------------------- | STORED, NOT YET REGISTERED
 MERCHANT:    Peace Hotel         | ==========================
 MERCHANT NO: 102100070110001     |
 TERMINAL NO: T0000001            | RMB 460.50
 OPERATOR:    01                  |
 CARD NO:     620000******0005 M  | The advice is stored in this terminal and
 TYPE:        COMPLETION ADVICE   | not registered yet. It is told by itself
 BATCH/TRACE: 000001/000124       | until it is answered. Do not enter it a
 DATE/TIME:   2026-11-22 21:34:05 | second time; keep the slip.
 ORIGINAL:    123456 1122         |
 AMOUNT:      RMB 460.50          |
 -------------------------------- |
    STORED, NOT YET REGISTERED    |

Enter = back:
"""

SILENT = {
    **PLACED,
    "outcome": "unknown",
    "reason": "the acquirer did not answer in time",
    **dict.fromkeys(("response_code", "authorization_code", "rrn", "register_entry")),
}
NOT_FOUND = asked("completion", outcome="declined", response_code="25", amount_minor=460_50, register_entry="A-000125")


def outcome(facts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What the terminal tells of a request."""
    return believed(sale(facts)) | more


def test_a_menu_says_how_the_terminal_stands() -> None:
    body = screens.menu("主菜单", ["预授权类", "消费类"], "退出", "zh")
    prompt = words.CHOOSE("zh", n=2)
    assert shown(body, "zh", prompt, linked=False, owed_n=2, reversal="T0000001/000001/000009/0400") == MENU_ZH


def test_the_amount_is_confirmed_in_large_figures_and_a_large_one_in_words() -> None:
    page = screens.confirmation("Pre-authorization", (("Card", "620000******0005"),), 20_000_00, "en")
    assert shown(page, "en", words.YES_NO("en")) == CONFIRM_EN
    assert "yuan" not in "".join(screens.confirmation("Sale", (), 200_00, "en"))


def test_an_approval_stands_beside_its_slip() -> None:
    row = sale(PLACED)
    page = screens.approved(believed(row), PRE_AUTHORIZATION, slip(row, device(), "zh"), "zh")
    assert shown(page, "zh", words.ENTER_BACK("zh")) == APPROVED_ZH


def test_a_decline_says_what_it_means_and_what_to_do() -> None:
    page = screens.declined(outcome(NOT_FOUND), "Completion (request)", "en")
    assert shown(page, "en", words.ENTER_BACK("en")) == DECLINED_EN


@pytest.mark.parametrize(
    ("language", "title", "pinned"), [("zh", "预授权", UNKNOWN_ZH), ("en", "Pre-authorization", UNKNOWN_EN)]
)
def test_unknown_says_that_it_must_not_be_taken_again(language: Language, title: str, pinned: str) -> None:
    page = screens.unknown(outcome(SILENT), title, False, language)
    assert shown(page, language, words.ENTER_BACK(language), reversal="x") == pinned
    assert words.DO_NOT_RETAKE(language) not in "".join(screens.unknown(outcome(SILENT), title, True, language))


def test_what_is_stored_is_not_approved() -> None:
    row = sale(ADVISED)
    page = screens.stored(believed(row), slip(row, device(), "en"), "en")
    assert shown(page, "en", words.ENTER_BACK("en"), linked=False, owed_n=1) == STORED_EN


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_and_every_kind_fits_on_the_screen(language: Language) -> None:
    for code in ROWS:
        value = outcome(PLACED, outcome="declined", response_code=code.code, reason=code.says)
        shown(screens.declined(value, "预授权完成（请求）", language), language)
    for kind in BUSINESS_KINDS:
        row = sale(asked(kind.name, original_code="123456", original_date="1122"), supervisor="00")
        value = believed(row) | {"warning": "450 of 500 requests of the batch are used: settle soon"}
        body = screens.approved(value, kind, slip(row, device(), language), language)
        for page in in_pages(body):
            shown(list(page), language)
        for what in ("unknown", "reversed"):
            shown(screens.unknown(value | {"outcome": what}, "x", what == "reversed", language), language)
    shown(screens.parameters(device(), language), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_totals_and_lists_fit_also_when_they_are_full(language: Language) -> None:
    sales = [
        sale(asked(kind.name, stan=f"{n:06d}", amount_minor=AMOUNT_MINOR_MAX)) for n, kind in enumerate(BUSINESS_KINDS)
    ]
    lines = screens.totals(device(), sales, language)
    for page in (*in_pages(lines), *in_pages(screens.transactions(sales, language))):
        shown(list(page), language)
    text = "\n".join(lines)
    assert "9,999,999,999.99" in text
    assert "3/500" in text or "3 of 500" in text


def test_the_head_fits_whatever_stands_in_it() -> None:
    everything = {"merchant_name": "很长的名字" * 9, "merchant_name_en": "A very long name " * 5, "signed_on": False,
                  "reversal": "x", "settling": "x", "asked_n": 500}  # fmt: skip
    for language in LANGUAGES:
        line = screens.head(Stand(device(**everything), "01", False, 120), language)
        assert columns(line) <= WIDTH
        assert words.UNDOING(language) in line
        assert "T0000001" in line
        assert words.SETTLE_SOON(language) in screens.head(Stand(device(asked_n=450), "01", True, 0), language)


def test_a_long_text_ends_in_two_dots_and_nothing_moves_the_cursor() -> None:
    assert fit("啊" * 50) == "啊" * 38 + ".."
    assert fit("\x1b[2Jx\n") == "?[2Jx?"
    assert [len(page) for page in in_pages("x" * (BODY_LINES + 1))] == [BODY_LINES, 1]


def test_both_languages_say_the_same_facts() -> None:
    said = [(name, each) for name, each in vars(words).items() if isinstance(each, Said)]
    tables = (words.OUTCOMES, words.PARAMETER_NAMES, words.PARAMETER_VALUES)
    said += [item for table in tables for item in table.items()]
    assert len(said) > 100
    for name, each in said:
        assert min(each), name
        assert set(re.findall("{.*?}", each.zh)) == set(re.findall("{.*?}", each.en)), name


@pytest.mark.parametrize(
    ("amount_minor", "zh", "en"),
    [
        (200_00, "贰佰元整", "two hundred yuan"),
        (20_000_00, "贰万元整", "twenty thousand yuan"),
        (10_05, "壹拾元零伍分", "ten yuan and five fen"),
        (100_500_50, "壹拾万零伍佰元伍角整", "one hundred thousand five hundred yuan and fifty fen"),
        (100_010_000_00, "壹亿零壹万元整", "one hundred million ten thousand yuan"),
    ],
)  # fmt: skip
def test_amounts_in_words(amount_minor: int, zh: str, en: str) -> None:
    assert in_words(amount_minor, "zh") == zh
    assert in_words(amount_minor, "en") == en


@given(st.integers(1, AMOUNT_MINOR_MAX), st.integers(1, AMOUNT_MINOR_MAX))
def test_two_amounts_never_read_alike(one: int, other: int) -> None:
    for language in LANGUAGES:
        assert (in_words(one, language) == in_words(other, language)) == (one == other)
    assert (large(one) == large(other)) == (one == other)
    assert max(map(len, large(one))) <= WIDTH - 3


@pytest.mark.parametrize(
    ("kind", "card", "parameters"),
    [
        (PRE_AUTHORIZATION, {"track2": "6250000000000020=30122010"}, ""),
        (PRE_AUTHORIZATION, {"pan": "6250000000000020"}, "keyed=never"),
        (BY_NAME["moto-pre-authorization"], {"track2": "6250000000000020=3012"}, ""),
        (VOID, {"pan": "6250000000000020"}, "void_card=asked"),
        (BY_NAME["completion-advice"], {"pan": "6250000000000020"}, "floor_minor=100"),
    ],
)
def test_what_the_terminal_turns_down_is_said_in_chinese_too(
    kind: Any, card: Mapping[str, str], parameters: str
) -> None:
    arguments = {"amount_minor": 500, "authorization_code": "123456", "supervisor": "00", "card": card}
    with pytest.raises(BadInput) as refused:
        check_allowed(wanted_of(kind, arguments), parameters_from(parameters))
    assert words.reason_in("en", str(refused.value)) == str(refused.value)
    assert not re.search("[a-z]{4}", words.reason_in("zh", str(refused.value)))


# --- keys ---------------------------------------------------------------------------------------------------------


class RealTerminal:
    """A pseudo-terminal: what is typed into it, and the keyboard at its other end."""

    def __init__(self) -> None:
        self.person, end = pty.openpty()
        tty.setraw(self.person)
        self.end = os.fdopen(end, "r+b", buffering=0)
        self.text = io.TextIOWrapper(self.end, "utf-8", write_through=True)

    def type(self, text: str) -> None:
        """Keys."""
        os.write(self.person, text.encode())


@pytest.fixture
async def real() -> AsyncIterator[tuple[Keyboard, RealTerminal]]:
    """A keyboard at a real terminal."""
    terminal = RealTerminal()
    with Keyboard(terminal.text, terminal.text) as keyboard:
        yield keyboard, terminal
    os.close(terminal.person)
    await asyncio.sleep(0.05)
    with contextlib.suppress(OSError):
        terminal.text.close()


async def test_a_line_is_edited_and_an_arrow_is_no_escape(real: tuple[Keyboard, RealTerminal]) -> None:
    keyboard, terminal = real
    assert keyboard.interactive
    terminal.type("50x\x7f\x1b[A0\r")
    assert await keyboard.line() == "500"


@pytest.mark.parametrize(("typed", "raised"), [("12\x1b", Back), ("12\x03", Back), ("12\x04", Leave)])
async def test_every_question_can_be_left(
    real: tuple[Keyboard, RealTerminal], typed: str, raised: type[Exception]
) -> None:
    keyboard, terminal = real
    terminal.type(typed)
    with pytest.raises(raised):
        await keyboard.line()


async def test_a_pin_is_not_shown_and_what_is_typed_unasked_answers_nothing(
    real: tuple[Keyboard, RealTerminal],
) -> None:
    keyboard, terminal = real
    terminal.type("1")
    await asyncio.sleep(0.1)
    keyboard.forget()
    terminal.type("8642\r")
    assert await keyboard.line(secret=True) == "8642"
    await asyncio.sleep(0.05)
    assert os.read(terminal.person, 100) == b"****"


def test_only_what_can_be_meant_is_typed() -> None:
    assert edited("12", "号") == "12号"
    assert edited("12", "\t") == "12"
    assert edited("12", "\x15") == ""
    assert edited("x" * 64, "y") == "x" * 64


async def test_an_input_method_types_what_is_meant_and_nothing_vanishes(real: tuple[Keyboard, RealTerminal]) -> None:
    keyboard, terminal = real
    terminal.type("５00。0０号x\x7f\x7f号\t\r")
    assert await keyboard.line() == "500.00号"
    await asyncio.sleep(0.05)
    assert os.read(terminal.person, 100).decode() == "500.00号x\b \b\b \b\b \b号\a"


@pytest.mark.parametrize(
    ("typed", "amount_minor"),
    [("500", 500_00), ("1,234.50", 1_234_50), ("12,345", 12_345_00), ("1,234,567.8", 1_234_567_80)],
)
def test_a_comma_separates_thousands(typed: str, amount_minor: int) -> None:
    assert parse_minor(typed) == amount_minor


@pytest.mark.parametrize("typed", ["500,00", "5,00", "1234,567", "0,500", ",500", "1,234,50", "500.", "500。00", "1 2"])
def test_what_may_be_another_amount_is_none(typed: str) -> None:
    assert parse_minor(typed) == words.AMOUNT_WRONG


@pytest.mark.parametrize("typed", ["11alice\r", "1\r1\ralice\r", "\r11alice\r"])
async def test_what_is_typed_ahead_in_menus_is_not_lost(real: tuple[Keyboard, RealTerminal], typed: str) -> None:
    keyboard, terminal = real
    desk = Desk(keyboard, io.StringIO(), ScriptedTill(), "en")
    terminal.type(typed)
    assert await desk.choose(words.HOLDS, [words.PRE_AUTH]) == 1
    assert await desk.choose_one("", (), words.READ_CARD, [words.INSERT]) is words.INSERT
    assert await desk.ask("", (), (words.CARD, words.CARD_FORM), str.upper) == "ALICE"


async def test_what_is_typed_ahead_confirms_nothing(real: tuple[Keyboard, RealTerminal]) -> None:
    keyboard, terminal = real
    desk = Desk(keyboard, io.StringIO(), ScriptedTill(), "en")
    terminal.type("1")
    await asyncio.sleep(0.05)
    confirmed = asyncio.create_task(desk.confirm(["?"]))
    await asyncio.sleep(0.05)
    assert not confirmed.done()
    terminal.type("1")
    assert await confirmed == "1"


async def test_the_main_menu_is_left_by_a_second_key_only(real: tuple[Keyboard, RealTerminal]) -> None:
    keyboard, terminal = real
    shown = io.StringIO()
    left = asyncio.create_task(run(Desk(keyboard, shown, ScriptedTill(), "en"), "01"))
    for key in ("\x1b", "l", "0"):
        terminal.type(key)
        await asyncio.sleep(0.15)
    assert words.PRESS_AGAIN.en in shown.getvalue()
    await asyncio.wait_for(left, 1)


# --- a session through pipes --------------------------------------------------------------------------------------


class ScriptedTill:
    """A terminal that answers what the test says."""

    patience_s = 30.0

    def __init__(self, *answers: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.sales: list[Sale] = []
        self.linked = True
        self.signed_on = True

    async def device(self) -> Device:
        return device(signed_on=self.signed_on)

    async def requests(self) -> list[Sale]:
        return self.sales

    async def waits(self) -> Mapping[str, Any]:
        return {}

    async def ask(self, name: str, arguments: Mapping[str, Any], presented: Presented, operator: str) -> Any:
        self.asked.append((name, {key: value for key, value in arguments.items() if key != "card"}, operator))
        return self.answers.pop(0)(arguments)

    async def do(self, name: str, operator: str) -> Any:
        self.asked.append((name, {}, operator))
        self.signed_on = True
        return {"outcome": "approved", "kind": name, "response_code": "00"}

    async def undone(self) -> bool:
        return True

    def books(self, **differs: Any) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """An answer that is in the journal, too."""

        def answer(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            row = sale({**PLACED, "amount_minor": arguments.get("amount_minor") or 0, **differs})
            self.sales.insert(0, row)
            return believed(row)

        return answer


async def piped(till: ScriptedTill, *lines: str, operator: str | None = "01", language: Language = "en") -> str:
    """The menu, with these lines typed into it; -> all that it showed."""
    read, write = os.pipe()
    os.write(write, "".join(f"{line}\n" for line in lines).encode())
    os.close(write)
    target = io.StringIO()
    with os.fdopen(read) as source, Keyboard(source, target) as keyboard:
        await asyncio.wait_for(run(Desk(keyboard, target, till, language), operator), 20)
    text = target.getvalue()
    assert max(map(columns, text.splitlines())) <= WIDTH
    return text


async def test_a_pre_authorization_from_the_menu_to_its_slip() -> None:
    till = ScriptedTill()
    till.answers = [till.books()]
    text = await piped(till, "1", "1", "1", "alice", "500.00", "1", "", "", "0", "0")
    assert till.asked == [("pre-auth", {"amount_minor": 500_00}, "01")]
    assert "Asking the acquirer... (up to 30 s)" in text
    assert "AUTH NO:     123456" in text


async def test_a_large_amount_is_typed_twice_and_the_same() -> None:
    till = ScriptedTill()
    till.answers = [till.books()]
    text = await piped(till, "2", "1", "2", "alice", "20000", "200", "20000", "1", "")
    understood, asked_again = text.index("RMB 20,000.00"), text.index(words.AMOUNT_AGAIN.en)
    assert understood < text.index("twenty thousand yuan") < asked_again
    assert "Not the same as before: that was RMB 20000.00" in text
    assert "twenty thousand yuan" in text
    assert till.asked == [("sale", {"amount_minor": 20_000_00}, "01")]


async def test_three_times_wrong_leads_back_and_nothing_is_sent() -> None:
    till = ScriptedTill()
    text = await piped(till, "1", "1", "1", "alice", "five", "-3", "1.234", "0", "0")
    assert text.count(words.AMOUNT_WRONG.en) == 2
    assert words.THREE_TIMES.en in text
    assert till.asked == []


@pytest.mark.parametrize("leaving", ["", "0", ESCAPE])
async def test_every_prompt_can_be_left(leaving: str) -> None:
    till = ScriptedTill()
    text = await piped(till, "1", "3", leaving, "1", leaving, "1", "1", leaving, "1", "1", "alice", leaving, "0", "0")
    assert text.count(words.LEFT.en) == 4
    assert till.asked == []


async def test_an_original_of_another_terminal_is_named_by_its_slip_and_its_card_is_checked() -> None:
    till = ScriptedTill()
    till.answers = [till.books(kind="completion")]
    last4 = "0020"
    lines = ("1", "3", "654321", "1322", "1122", last4, "1", "alice", "iris", "460.50", "1", "")
    text = await piped(till, *lines)
    assert words.DATE_WRONG.en in text
    assert f"which ends in {last4}" in text
    assert till.asked == [("complete", {"authorization_code": "654321", "date": "1122", "amount_minor": 460_50}, "01")]


async def test_a_full_width_amount_is_what_it_says_and_a_comma_is_no_point() -> None:
    till = ScriptedTill()
    till.answers = [till.books()]
    text = await piped(till, "1", "1", "1", "alice", "500,00", "５００。００", "1", "", "")
    assert words.AMOUNT_WRONG.en in text
    assert till.asked == [("pre-auth", {"amount_minor": 500_00}, "01")]


async def test_a_code_that_is_too_short_is_asked_for_again_and_small_letters_are_capitals() -> None:
    till = ScriptedTill()
    till.sales = [sale(PLACED, authorization_code="A38999", card="625000******0020")]
    till.answers = [till.books(kind="completion")]
    text = await piped(till, "1", "3", "38999", "a38999", "1", "iris", "460.50", "1", "")
    assert words.CODE_WRONG.en in text
    assert words.NOT_OURS.en not in text
    assert till.asked[0][1]["authorization_code"] == "A38999"


async def test_a_void_takes_the_whole_hold_and_a_supervisor_agrees() -> None:
    till = ScriptedTill()
    card = "625000******0020"
    placed = sale(PLACED, card=card, hold="H")
    till.sales = [sale(asked("increment", amount_minor=200_00), card=card, hold="H"), placed]
    till.answers = [till.books(kind="void")]
    text = await piped(till, "1", "5", "123456", "1", "iris", "1", "01", "00", "")
    assert words.SUPERVISOR_WRONG.en in text
    assert till.asked == [("void", {"authorization_code": "123456", "amount_minor": 700_00, "supervisor": "00"}, "01")]


async def test_a_stripe_of_a_chip_card_is_read_only_where_the_chip_fails() -> None:
    till = ScriptedTill()
    till.answers = [till.books(kind="sale")]
    text = await piped(till, "2", "1", "3", "alice", "3", "5.00", "1", "")
    assert words.HAS_CHIP.en in text
    assert till.asked == [("sale", {"fallback": True, "amount_minor": 5_00}, "01")]


async def test_a_wrong_pin_is_entered_again() -> None:
    till = ScriptedTill()
    till.answers = [till.books(outcome="declined", response_code="55"), till.books()]
    text = await piped(till, "1", "1", "1", "pin", "5.00", "1", "12x", "1111", "", "123456", "")
    assert words.PIN_WRONG.en in text
    assert [arguments["pin"] for _, arguments, _ in till.asked] == ["1111", "123456"]
    assert "1111" not in text.replace("A00000000123", "")


async def test_what_was_not_asked_says_so_and_what_is_unknown_is_not_taken_again() -> None:
    till = ScriptedTill()
    silent = {"outcome": "declined", "reason": "sign-on: acquirer not reachable", NOT_READY: "silent"}
    till.answers = [lambda _: silent, till.books(**SILENT)]
    sell = ("1", "1", "1", "alice", "5.00", "1", "", "")
    text = await piped(till, *sell, *sell[1:])
    assert words.NOT_BEGUN.en in text
    assert words.NO_LINE.en in text
    assert words.DO_NOT_RETAKE.en in text
    assert words.UNKNOWN.en in text
    assert words.APPROVED.en not in text


@pytest.mark.parametrize(("operator", "choice"), [("00", ("3",)), ("99", ("1", "1")), ("01", ("5", "6"))])
async def test_an_operator_does_only_what_is_his(operator: str, choice: tuple[str, ...]) -> None:
    till = ScriptedTill()
    text = await piped(till, *choice, operator=operator)
    assert words.NOT_HIS("en", who=operator) in text
    assert till.asked == []


async def test_the_day_begins_with_an_operator_and_a_sign_on_in_the_language_that_he_reads() -> None:
    till = ScriptedTill()
    till.signed_on = False
    text = await piped(till, "21", "l", "02", "5", "l", operator=None)
    assert words.OPERATOR_WRONG.en in text
    assert words.ASK_OPERATOR.zh in text
    assert words.MAIN.zh in text
    assert text.rindex(words.TERMINAL.en) > text.rindex(words.MAIN.zh)
    assert till.asked == [("sign-on", {}, "02")]


async def test_a_declined_refund_is_not_among_the_unregistered_but_one_that_nobody_knows_is() -> None:
    till = ScriptedTill()
    refused, unknown = (sale(asked("refund", stan=stan), outcome=outcome, delivery=delivery, response_code=code)
                        for stan, outcome, delivery, code in (("000201", "declined", "", "64"),
                                                              ("000202", "unknown", "owed", None)))  # fmt: skip
    till.sales = [sale(NOT_FOUND, kind="completion-advice"), unknown, refused]
    text = await piped(till, "4", "5", "")
    assert "000202" in text
    assert "000201" not in text
    assert "TOTAL 2 " in text


async def test_the_last_transactions_are_told_apart() -> None:
    till = ScriptedTill()
    till.sales = [sale(NOT_FOUND, kind="completion-advice", amount_minor=AMOUNT_MINOR_MAX), sale(PLACED)]
    text = await piped(till, "4", "3", "")
    assert "\n 000124 21:34:05 COMPLETION ADVICE  *0005 DECLINED 25  9,999,999,999.99 123456\n" in text
    assert "\n 000123 21:34:05 PRE-AUTHORIZATION  *0005 APPROVED               500.00 123456\n" in text


async def test_a_slip_is_printed_again_by_its_number() -> None:
    till = ScriptedTill()
    till.sales = [sale(PLACED)]
    text = await piped(till, "4", "4", "124", "x", "123", "", "4", "9", "")
    assert words.NO_SLIP.en in text
    assert words.WHICH_SLIP_WRONG.en in text
    assert "DUPLICATE" in text
