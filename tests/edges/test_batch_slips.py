"""The slips of a settled batch: totals per card class with the centre's verdict, and advices not registered."""

import pytest

from holdfast.edges.batch_slips import failed_advices, settlement_slip
from holdfast.edges.paper import WIDTH, columns
from holdfast.wire.settlement import COUNT_MAX, ClassTotals, Totals
from tests.edges.slips import ADVISED, DEVICE, PLACED, asked

SCREEN_LINES = 24

SETTLED = asked("settlement", "000131", "0500", card=None, authorization_code=None, amount_minor=0)

OURS = Totals(ClassTotals(1_460_50, 3, 460_50, 1), ClassTotals(100_00, 1))
IN_ERROR = Totals(ClassTotals(reply="1"), ClassTotals(reply="3"))
BALANCED = Totals(ClassTotals(reply="1"), ClassTotals(reply="1"))
NOT_BALANCED = Totals(OURS.domestic._replace(reply="1"), ClassTotals(200_00, 2, reply="2"))

REFUSED = {**ADVISED, "outcome": "declined", "response_code": "25"}
WAITING = asked(
    "refund",
    "000126",
    "0220",
    outcome="stored",
    amount_minor=60_50,
    response_code=None,
    card="620000*********0005",
    original_rrn="A00000000124",
    original_date="1122",
)

BALANCED_ZH = """\
             结算单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
批次/凭证:   000001/000131
日期时间:    2026-11-22 21:34:05
登记条目:    A-000123
--------------------------------
内卡                      对账平
借记             3       1460.50
贷记             1        460.50
外卡                      对账平
借记             1        100.00
贷记             0          0.00
--------------------------------
净额                 RMB 1100.00
        对账平，批次已结
"""

NOT_BALANCED_EN = """\
           SETTLEMENT
    *** 重打印 DUPLICATE ***
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01
BATCH/TRACE: 000001/000131
DATE/TIME:   2026-11-22 21:34:05
REGISTER:    A-000123
--------------------------------
DOMESTIC                BALANCED
DEBIT            3       1460.50
CREDIT           1        460.50
FOREIGN             NOT BALANCED
DEBIT            1        100.00
CREDIT           0          0.00
CENTRE DEBIT     2        200.00
CENTRE CREDIT    0          0.00
--------------------------------
NET                  RMB 1100.00
 NOT BALANCED, BATCH UPLOAD DUE
"""

FAILED_ZH = """\
         未登记通知明细
--------------------------------
商户名称:    和平饭店
终端编号:    T0000001
--------------------------------
被拒绝                         1
000124 预授权完成通知         25
  620000******0005 M      460.50
  原交易:    123456 1122
  未找到原交易
--------------------------------
未送达，待上送                 1
000126 退货
  620000*********0005 I    60.50
  原交易:    A00000000124 1122
--------------------------------
合计 2                RMB 521.00
   请留存签购单并联系收单机构
"""

FAILED_EN = """\
     ADVICES NOT REGISTERED
--------------------------------
MERCHANT:    Peace Hotel
TERMINAL NO: T0000001
--------------------------------
REFUSED                        1
000124 COMPLETION ADVICE      25
  620000******0005 M      460.50
  ORIGINAL:  123456 1122
  original not found
--------------------------------
NOT DELIVERED, STORED          1
000126 REFUND
  620000*********0005 I    60.50
  ORIGINAL:  A00000000124 1122
--------------------------------
TOTAL 2               RMB 521.00
    KEEP THE SLIPS, CALL THE
            ACQUIRER
"""

NONE_EN = """\
     ADVICES NOT REGISTERED
--------------------------------
MERCHANT:    Peace Hotel
TERMINAL NO: T0000001
--------------------------------
REFUSED                        0
--------------------------------
NOT DELIVERED, STORED          0
--------------------------------
TOTAL 0                 RMB 0.00
              NONE
"""


def test_a_settlement_that_balances() -> None:
    assert settlement_slip(SETTLED, DEVICE, OURS, BALANCED) == BALANCED_ZH


def test_one_that_does_not_shows_the_totals_of_the_centre() -> None:
    assert settlement_slip(SETTLED, DEVICE, OURS, NOT_BALANCED, "en", reprint=True) == NOT_BALANCED_EN


@pytest.mark.parametrize(
    ("answer", "chinese", "english"),
    [
        (None, "未得应答，批次未结", "NO ANSWER, BATCH STILL OPEN"),
        (
            Totals(ClassTotals(reply="1"), ClassTotals(reply="3")),
            "对账不平，须批上送",
            "NOT BALANCED, BATCH UPLOAD DUE",
        ),
        (Totals(ClassTotals(reply="2"), ClassTotals(reply="0")), "未得应答，批次未结", "NO ANSWER, BATCH STILL OPEN"),
    ],
)
def test_nothing_but_two_balanced_classes_is_balanced(answer: Totals | None, chinese: str, english: str) -> None:
    assert settlement_slip(SETTLED, DEVICE, OURS, answer).splitlines()[-1].strip() == chinese
    assert settlement_slip(SETTLED, DEVICE, OURS, answer, "en").splitlines()[-1].strip() == english


def test_the_largest_totals_stay_on_the_paper_and_on_the_screen() -> None:
    most = ClassTotals(999_999_999_999, COUNT_MAX, 999_999_999_999, COUNT_MAX, "2")
    for text in (
        settlement_slip(SETTLED, DEVICE, Totals(most, most), Totals(most, most), reprint=True),
        settlement_slip(SETTLED, DEVICE, Totals(most, most), Totals(most, most), "en", reprint=True),
    ):
        lines = text.splitlines()
        assert max(map(columns, lines)) <= WIDTH
        assert len(lines) <= SCREEN_LINES


def test_the_list_of_advices_that_are_not_registered() -> None:
    assert failed_advices([REFUSED, WAITING, PLACED], DEVICE) == FAILED_ZH
    assert failed_advices([WAITING, REFUSED], DEVICE, "en") == FAILED_EN
    assert failed_advices([PLACED], DEVICE, "en") == NONE_EN


def test_a_refusal_that_nobody_knows_is_shown_by_its_code() -> None:
    assert "  response Z9\n" in failed_advices([{**REFUSED, "response_code": "Z9"}], DEVICE)
