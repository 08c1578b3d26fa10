"""The slip says what the terminal believes, in both languages, and never more of a card than may be shown."""

from typing import Any

import pytest

from holdfast.domain.commands import BUSINESS_KINDS
from holdfast.domain.records import Device, Sale
from holdfast.domain.response_rows import ROWS
from holdfast.edges.paper import WIDTH, columns
from holdfast.edges.slip import Language, slip, with_held
from holdfast.errors import BadInput
from tests.edges.slips import ADVISED, DEVICE, OF_ORIGINAL, PLACED, asked

SCREEN_LINES = 24

PLACED_ZH = """\
             签购单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
卡号:        620000******0005 I
交易类型:    预授权
批次/凭证:   000001/000123
授权码:      123456
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
金额:        RMB 500.00
登记条目:    A-000123
--------------------------------
            交易成功
持卡人签名: ____________________
 确认以上交易，同意记入本卡账户
"""

INCREASED_EN = """\
           SALES SLIP
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01
CARD NO:     620000******0005 C
TYPE:        INCREMENT
BATCH/TRACE: 000001/000124
AUTH NO:     123456
REF NO:      A00000000123
DATE/TIME:   2026-11-22 21:34:05
ORIGINAL:    123456
AMOUNT:      RMB 200.00
REGISTER:    A-000123
--------------------------------
            APPROVED
SIGNATURE: _____________________
  I AGREE TO THIS TRANSACTION
"""

MOTO_ZH = """\
             签购单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
卡号:        620000******0005 M
交易类型:    订购预授权
批次/凭证:   000001/000124
授权码:      123456
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
金额:        RMB 500.00
登记条目:    A-000123
--------------------------------
            交易成功
         无需持卡人签名
"""

COMPLETED_EN = """\
           SALES SLIP
    *** 重打印 DUPLICATE ***
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01
CARD NO:     620000******0005 S
TYPE:        COMPLETION
BATCH/TRACE: 000001/000124
AUTH NO:     123456
REF NO:      A00000000123
DATE/TIME:   2026-11-22 21:34:05
ORIGINAL:    123456 1122
AMOUNT:      RMB 460.50
REGISTER:    A-000123
--------------------------------
            APPROVED
SIGNATURE: _____________________
  I AGREE TO THIS TRANSACTION
"""

ADVISED_ZH = """\
             签购单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
卡号:        620000******0005 M
交易类型:    预授权完成通知
批次/凭证:   000001/000124
日期时间:    2026-11-22 21:34:05
原交易:      123456 1122
金额:        RMB 460.50
--------------------------------
    已存储，待上送：尚未登记
"""

ADVISED_EN = """\
           SALES SLIP
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01
CARD NO:     620000******0005 M
TYPE:        COMPLETION ADVICE
BATCH/TRACE: 000001/000124
DATE/TIME:   2026-11-22 21:34:05
ORIGINAL:    123456 1122
AMOUNT:      RMB 460.50
--------------------------------
   STORED, NOT YET REGISTERED
"""

COMPLETION_VOIDED_ZH = """\
             签购单
    *** 重打印 DUPLICATE ***
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01  主管 00
卡号:        620000******0005 I
交易类型:    预授权完成撤销
批次/凭证:   000001/000125
授权码:      123456
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
原交易:      A00000000124 1122
金额:        RMB 460.50
登记条目:    A-000123
--------------------------------
            交易成功
           预授权恢复
持卡人签名: ____________________
 确认以上交易，同意记入本卡账户
"""

REFUNDED_EN = """\
           SALES SLIP
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01  SUPERVISOR 00
CARD NO:     620000******0005 I
TYPE:        REFUND
BATCH/TRACE: 000001/000126
AUTH NO:     123456
REF NO:      A00000000123
DATE/TIME:   2026-11-22 21:34:05
ORIGINAL:    A00000000124 1122
AMOUNT:      RMB 60.50
REGISTER:    A-000123
--------------------------------
            APPROVED
SIGNATURE: _____________________
  I AGREE TO THIS TRANSACTION
"""

SOLD_ZH = """\
             签购单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
卡号:        620000******0005 I
交易类型:    消费
批次/凭证:   000001/000127
授权码:      123456
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
金额:        RMB 88.00
登记条目:    A-000123
--------------------------------
          交易成功 A4
    交易成功，请向发卡行确认
> 按成功办理，妥善保存签购单备查
持卡人签名: ____________________
 确认以上交易，同意记入本卡账户
"""

SALE_VOIDED_EN = """\
           SALES SLIP
--------------------------------
MERCHANT:    Peace Hotel
MERCHANT NO: 102100070110001
TERMINAL NO: T0000001
OPERATOR:    01  SUPERVISOR 00
CARD NO:     620000******0005 I
TYPE:        SALE VOID
BATCH/TRACE: 000001/000128
AUTH NO:     123456
REF NO:      A00000000123
DATE/TIME:   2026-11-22 21:34:05
ORIGINAL:    000001/000127 1122
AMOUNT:      RMB 88.00
REGISTER:    A-000123
--------------------------------
            APPROVED
SIGNATURE: _____________________
  I AGREE TO THIS TRANSACTION
"""

BALANCE_ZH = """\
            余额查询
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01
卡号:        620000******0005 I
交易类型:    余额查询
批次/凭证:   000001/000129
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
可用余额:    RMB 9500.00
登记条目:    A-000123
--------------------------------
            交易成功
"""

VOID_REFUSED_ZH = """\
             签购单
--------------------------------
商户名称:    和平饭店
商户编号:    102100070110001
终端编号:    T0000001
操作员号:    01  主管 00
卡号:        620000******0005 I
交易类型:    预授权撤销
批次/凭证:   000001/000130
参考号:      A00000000123
日期时间:    2026-11-22 21:34:05
原交易:      123456 1122
金额:        RMB 500.00
登记条目:    A-000123
--------------------------------
          交易失败 22
        与原交易状态不符
> 勿重复提交。先查原交易：已完
  成、已撤销、已过期？扣款已结算
  或隔日：改做退货；仍有效：重新
  签到再试；否则联系收单机构
"""

WHOLE: list[tuple[dict[str, Any], Language, bool, str]] = [
    (PLACED, "zh", False, PLACED_ZH),
    (
        asked("increment", mti="0100", amount_minor=200_00, entry_mode="071", original_code="123456"),
        "en",
        False,
        INCREASED_EN,
    ),
    (asked("moto-pre-authorization", mti="0100", entry_mode="012"), "zh", False, MOTO_ZH),
    (asked("completion", amount_minor=460_50, entry_mode="021", **OF_ORIGINAL), "en", True, COMPLETED_EN),
    (ADVISED, "zh", False, ADVISED_ZH),
    (ADVISED, "en", False, ADVISED_EN),
    (
        asked(
            "completion-void",
            "000125",
            amount_minor=460_50,
            supervisor="00",
            original_rrn="A00000000124",
            original_date="1122",
        ),
        "zh",
        True,
        COMPLETION_VOIDED_ZH,
    ),
    (
        asked(
            "refund",
            "000126",
            "0220",
            amount_minor=60_50,
            supervisor="00",
            original_rrn="A00000000124",
            original_date="1122",
        ),
        "en",
        False,
        REFUNDED_EN,
    ),
    (asked("sale", "000127", response_code="A4", amount_minor=88_00), "zh", False, SOLD_ZH),
    (
        asked(
            "sale-void",
            "000128",
            amount_minor=88_00,
            supervisor="00",
            original_trace="000001000127",
            original_date="1122",
        ),
        "en",
        False,
        SALE_VOIDED_EN,
    ),
    (
        asked("balance", "000129", amount_minor=0, balance_minor=9_500_00, authorization_code=None),
        "zh",
        False,
        BALANCE_ZH,
    ),
    (
        asked(
            "void",
            "000130",
            "0100",
            outcome="declined",
            response_code="22",
            authorization_code=None,
            supervisor="00",
            **OF_ORIGINAL,
        ),
        "zh",
        False,
        VOID_REFUSED_ZH,
    ),
]


@pytest.mark.parametrize(("request_", "language", "reprint", "text"), WHOLE, ids=[w[0]["kind"] for w in WHOLE])
def test_a_whole_slip(request_: dict[str, Any], language: Language, reprint: bool, text: str) -> None:
    assert slip(request_, DEVICE, language, reprint) == text


def test_an_increment_says_what_its_terminal_holds_by_then_and_a_reprint_no_more() -> None:
    rows: list[Any] = [
        Sale(**{**dict.fromkeys(Sale._fields), **facts, "sequence": at, "hold": PLACED["trace_key"]})
        for at, facts in enumerate((PLACED, asked("increment", amount_minor=200_00), asked("increment", "000125")))
    ]
    assert "HELD HERE:   RMB 700.00\n" in slip(with_held(rows[1], rows), DEVICE, "en")
    assert "HELD HERE:   RMB 1200.00\n" in slip(with_held(rows[2], rows), DEVICE, "en")
    assert "HELD HERE" not in slip(with_held(rows[2], rows[1:]), DEVICE, "en")
    assert "HELD HERE" not in slip(with_held(rows[0], rows), DEVICE, "en")


def test_every_kind_has_a_whole_slip_above() -> None:
    assert {facts["kind"] for facts, *_ in WHOLE} == {kind.name for kind in BUSINESS_KINDS}


def test_the_terminals_own_rows_print_the_same() -> None:
    sale: Any = Sale(**{**dict.fromkeys(Sale._fields), **PLACED})
    device: Any = Device(**{**dict.fromkeys(Device._fields), **DEVICE})
    assert slip(sale, device) == PLACED_ZH


def test_a_reprint_says_so_and_differs_in_nothing_else() -> None:
    original, again = slip(PLACED, DEVICE).splitlines(), slip(PLACED, DEVICE, reprint=True).splitlines()
    assert [line.strip() for line in again if line not in original] == ["*** 重打印 DUPLICATE ***"]


@pytest.mark.parametrize(
    ("kind", "outcome", "code", "chinese", "english"),
    [
        (
            "completion",
            "declined",
            "51",
            ["交易失败 51", "余额不足", "> 降低金额或换卡"],
            ["DECLINED 51", "insufficient funds", "> Lower the amount or use", "another card."],
        ),
        ("completion", "declined", "Z9", ["交易失败 Z9", "response Z9"], ["DECLINED Z9", "response Z9"]),
        (
            "completion",
            "unknown",
            None,
            ["结果未明，正在冲正：交易未成功", "请先查询，勿直接重做"],
            ["OUTCOME UNKNOWN, BEING REVERSED", "LOOK IT UP BEFORE TRYING AGAIN"],
        ),
        (
            "refund",
            "unknown",
            None,
            ["结果未明，将自动重发", "请先查询，勿直接重做"],
            ["OUTCOME UNKNOWN, SENT AGAIN", "LOOK IT UP BEFORE TRYING AGAIN"],
        ),
        ("balance", "asked", None, ["无应答，请重新查询"], ["NO ANSWER, ASK AGAIN"]),
        ("void", "reversed", None, ["已冲正：交易未成功"], ["REVERSED"]),
        ("refund", "stored", None, ["已存储，待上送：尚未登记"], ["STORED, NOT YET REGISTERED"]),
    ],
)
def test_only_what_is_approved_says_approved(
    kind: str, outcome: str, code: str | None, chinese: list[str], english: list[str]
) -> None:
    request_ = asked(kind, outcome=outcome, response_code=code, register_entry=None, reason="not for the slip")
    told = {"zh": slip(request_, DEVICE, "zh"), "en": slip(request_, DEVICE, "en")}
    assert _after_the_last_rule(told["zh"]) == chinese
    assert _after_the_last_rule(told["en"]) == english
    assert "交易成功" not in told["zh"]
    assert "APPROVED" not in told["en"]
    assert "____" not in told["zh"] + told["en"]
    assert "not for the slip" not in told["zh"] + told["en"]


def _after_the_last_rule(text: str) -> list[str]:
    return [line.strip() for line in text.rpartition("-" * WIDTH)[2].splitlines() if line]


def test_the_original_that_stands_after_all_says_why() -> None:
    note = "the reversal was answered 22: the original stands, see A-000200"
    printed = slip({**PLACED, "reason": note}, DEVICE, "en", reprint=True)
    assert note in " ".join(printed.split())
    assert len(printed.splitlines()) <= SCREEN_LINES


def test_who_is_asked_to_sign() -> None:
    signed = {kind.name for kind in BUSINESS_KINDS if "____" in slip(asked(kind.name), DEVICE)}
    assert signed == {kind.name for kind in BUSINESS_KINDS} - {"moto-pre-authorization", "completion-advice", "balance"}
    assert "NO SIGNATURE NEEDED" in slip({**PLACED, "signature": False}, DEVICE, "en")
    assert "____" in slip(asked("completion-advice", signature=True), DEVICE)


@pytest.mark.parametrize(
    ("entry_mode", "letter"), [("051", "I"), ("071", "C"), ("021", "S"), ("902", "S"), ("012", "M"), ("000", "")]
)
def test_the_letter_says_how_the_card_was_read(entry_mode: str, letter: str) -> None:
    line = next(
        line for line in slip({**PLACED, "entry_mode": entry_mode}, DEVICE, "en").splitlines() if "CARD" in line
    )
    assert line == f"CARD NO:     620000******0005 {letter}".rstrip()


def test_a_whole_card_number_is_masked_whoever_hands_it_in() -> None:
    printed = slip({**PLACED, "card": "6200000000000005"}, DEVICE)
    assert "6200000000000005" not in printed
    assert "620000******0005 I" in printed


def test_no_slip_is_wider_than_the_paper_or_longer_than_the_screen() -> None:
    worst: dict[str, Any] = {
        "supervisor": "00",
        "card": "620000*********0005",
        "amount_minor": 999_999_999_999,
        **OF_ORIGINAL,
    }
    hotel = {**DEVICE, "merchant_name": "上海外滩和平饭店有限公司", "merchant_name_en": "Fair Wind Car Rental"}
    for kind in BUSINESS_KINDS:
        for code in (None, *(row.code for row in ROWS)):
            outcome = {None: "unknown", "A": "approved"}.get(code and _class_of(code), "declined")
            request_ = asked(kind.name, outcome=outcome, response_code=code, **worst)
            if outcome == "declined":
                request_["authorization_code"] = None
            for text in (slip(request_, hotel, "zh", reprint=True), slip(request_, hotel, "en", reprint=True)):
                lines = text.splitlines()
                assert max(map(columns, lines)) <= WIDTH, text
                assert len(lines) <= SCREEN_LINES, text


def _class_of(code: str) -> str:
    return next(row.action for row in ROWS if row.code == code)


def test_a_merchant_without_an_english_name_has_its_chinese_one() -> None:
    assert "MERCHANT:    和平饭店" in slip(PLACED, {**DEVICE, "merchant_name_en": ""}, "en")


def test_another_currency_has_its_number() -> None:
    assert "金额:        840 500.00" in slip({**PLACED, "currency": "840"}, DEVICE)


@pytest.mark.parametrize("kind", ["sign-on", "reversal", "settlement"])
def test_what_is_no_business_gets_no_slip(kind: str) -> None:
    with pytest.raises(BadInput, match="only business requests get a slip"):
        slip({**PLACED, "kind": kind}, DEVICE)
