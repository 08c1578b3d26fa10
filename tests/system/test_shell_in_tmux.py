"""A hotel stay at the menu of two terminals, in real terminals of 80 x 24, keys and all."""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from holdfast.edges import sample
from holdfast.edges.paper import columns
from tests.system.installation import Installation, wait_until
from tests.system.tmux import COLUMNS, LINES, Screen

CARD = "iris"
LAST4 = str(next(row["pan"] for row in sample.CARDS if row["name"] == CARD))[-4:]

Open = Callable[..., "Till"]


class Till(Screen):
    """A terminal at work, and a cashier before it."""

    def __init__(self, installation: Installation, terminal_id: str, *options: str) -> None:
        at = ("--id", terminal_id, "--data", installation.tills, "--host", installation.at)
        super().__init__((sys.executable, "-m", "holdfast", "terminal", *at, *options, "shell"))
        self.seen: list[str] = []

    def shows(self, *texts: str) -> str:
        """Wait for it; every screen fits, and none ever shows a whole card number."""
        shown = super().shows(*texts)
        assert len(shown.rstrip("\n").split("\n")) <= LINES
        assert max(map(columns, shown.split("\n"))) <= COLUMNS
        assert "Traceback" not in shown
        assert not re.search(r"\d{13,19}(?!\d)", shown.replace(sample.MERCHANTS[0]["merchant_id"], "")), shown
        self.seen.append(shown)
        return shown

    def fill_in(self, *steps: tuple[str, str]) -> None:
        """Wait for each question, and answer it: one character is a key, more are a line; `Enter` is Enter."""
        for question, answer in steps:
            self.shows(question)
            if len(answer) == 1 or answer == "Enter":
                self.press(answer)
            else:
                self.type(answer)


@pytest.fixture
def opened(shared: Installation) -> Iterator[Open]:
    """`opened(terminal id, *options)`."""
    tills: list[Till] = []

    def open_till(terminal_id: str, *options: str) -> Till:
        tills.append(Till(shared, terminal_id, *options))
        return tills[-1]

    yield open_till
    for till in tills:
        till.end()


def found(pattern: str, screen: str) -> str:
    """The first group of a pattern that is there."""
    match = re.search(pattern, screen)
    assert match is not None, screen
    return match.group(1)


def test_a_stay_at_the_hotel(shared: Installation, opened: Open) -> None:
    reception, desk = shared.new_terminal(), shared.new_terminal()
    for terminal_id in (reception, desk):
        shared.load_key(terminal_id)
    arrival = opened(reception)
    arrival.fill_in(("操作员号", "01"), ("主菜单", "1"), ("预授权类", "1"), ("请选择（0-4）", "1"))
    arrival.fill_in(("卡号:", CARD), ("金额:", "20000"), ("大额", "200.00"), ("不一致", "20000.00"))
    arrival.fill_in(("1=确认", "1"), ("密码:", "Enter"))
    code = found(r"授权码:\s+(\w{6})", arrival.shows("交易成功", "RMB 20000.00"))
    arrival.fill_in(("按回车返回", "Enter"), ("预授权类", "2"), ("原授权码:", code), ("20000.00", "2"))
    arrival.fill_in(("卡号:", CARD), ("金额:", "500"), ("RMB 500.00", "1"), ("密码:", "Enter"))
    slip = arrival.shows("交易成功", "追加预授权")
    mmdd = "".join(re.findall(r"\d{4}-(\d\d)-(\d\d) ", slip)[0])

    departure = opened(desk, "--lang", "en", "--operator", "02")
    departure.fill_in(("MAIN MENU", "1"), ("Completion (request)", "3"), ("Auth code:", code), ("Date:", mmdd))
    departure.fill_in(("Last four:", LAST4), ("Choose (0-4)", "1"), ("Card:", "alice"), (f"ends in {LAST4}", CARD))
    departure.fill_in(("Amount:", "460.50"), ("RMB 460.50", "1"), ("PIN:", "Enter"))
    departure.fill_in(("APPROVED", "Enter"), ("Completion void", "6"), ("Auth code:", code), ("460.50", "1"))
    departure.fill_in(("Card:", CARD), ("2 = another amount", "1"), ("Supervisor:", "01"), ("Only supervisor", "00"))
    departure.fill_in(("PIN:", "Enter"))
    departure.shows("APPROVED", "COMPLETION VOID", "SUPERVISOR 00")
    departure.fill_in(("Enter = back", "Enter"), ("Completion (request)", "3"), ("Auth code:", code), ("Date:", mmdd))
    departure.fill_in(("Last four:", LAST4), ("Choose (0-4)", "1"), ("Card:", CARD), ("Amount:", "480"))
    departure.fill_in(("RMB 480.00", "1"), ("PIN:", "Enter"))
    departure.shows("APPROVED", "RMB 480.00")

    departure.fill_in(("Enter = back", "Enter"), ("Completion (request)", "0"), ("MAIN MENU", "4"))
    departure.fill_in(("Settle the batch", "1"), ("Settling closes the batch", "1"))
    departure.shows("BALANCED, BATCH CLOSED", "RMB 480.00", "Next batch 000002")
    departure.fill_in(
        ("Enter = back", "Enter"), ("Settle the batch", "l"), ("批结算", "0"), ("主菜单", "0"), ("再按一次", "0")
    )
    departure.shows("再见", "ended with code 0")

    kinds = ["pre-authorization", "increment", "completion", "completion-void", "completion", "settlement"]
    rows = [*shared.register("--terminal", reception), *shared.register("--terminal", desk)]
    story = sorted((row for row in rows if row["kind"] in kinds), key=lambda row: str(row["entry"]))
    assert [row["kind"] for row in story] == kinds
    assert {row["outcome"] for row in story} == {"approved"}

    again = opened(desk, "--operator", "02")
    again.fill_in(("主菜单", "4"), ("批次 000002", "4"), ("凭证:", "s"), ("凭证: s", "Enter"))
    again.shows("DUPLICATE", "480.00")


def test_a_line_that_is_silent_and_a_cashier_who_presses_ctrl_c(
    make_installation: Callable[..., Installation],
) -> None:
    installation = make_installation("--sample")
    installation.start()
    worker = installation.pid_of("acquirer-1")
    assert worker is not None, "it has just started"
    till = Till(installation, "T0000001", "--operator", "01", "--patience", "5")
    try:
        till.fill_in(("主菜单", "2"), ("消费类", "1"), ("请选择（0-4）", "2"), ("卡号:", "pin"), ("金额:", "55.00"))
        till.fill_in(("RMB 55.00", "1"), ("密码:", "1234"))
        # The wrong PIN is declined and asked for again; the second try finds nobody at the other end.
        till.shows("交易失败", "55")
        till.press("Enter")
        till.shows("密码:")
        os.kill(worker, signal.SIGSTOP)
        till.press("Enter")
        till.shows("正在请求收单机构")
        till.press("C-c")
        till.shows("不能中断")
        till.shows("结果未明", "请勿再次收款", "冲正中")
        os.kill(worker, signal.SIGCONT)
        till.fill_in(("按回车返回", "Enter"), ("消费类", "0"))
        wait_until("the reversal is acknowledged", lambda: "冲正中" not in till.text())
        installation.stop()
        till.shows("线路断", "主菜单")
        till.press("C-d")
        till.shows("再见", "ended with code 0")
    finally:
        till.end()
