"""The slip says what the terminal believes, in both languages, and never more of a card than may be shown."""

from unicodedata import east_asian_width

import pytest

from holdfast.domain.records import Device, Sale
from holdfast.edges.slip import WIDTH, Language, slip
from holdfast.errors import BadInput

DEVICE = Device(
    "T0000001",
    "102100070110001",
    "和平饭店",
    "Peace Hotel",
    b"",
    "",
    "000001",
    2,
    True,
    None,
    None,
    "A-000003",
    "",
    "",
)

SALE = Sale(
    trace_key="T0000001/000001/000123/0100",
    kind="pre-authorization",
    outcome="approved",
    amount_minor=500_00,
    currency="156",
    card="620000******0005",
    pan_sealed=b"sealed",
    expiry="3012",
    entry_mode="022",
    operator="01",
    at_us=0,
    answered_us=0,
    local_date="2026-11-22",
    local_time="21:34:05",
    original_code=None,
    original_date=None,
    original_trace=None,
    response_code="00",
    authorization_code="123456",
    rrn="A00000000123",
    register_entry="A-000123",
    reverses=None,
    reason=None,
    late=None,
    sequence=3,
    previous="00" * 32,
)

CHINESE = """\
                 签购单
----------------------------------------
商户名称:      和平饭店
商户编号:      102100070110001
终端编号:      T0000001
操作员号:      01
----------------------------------------
卡号:          620000******0005 S
交易类型:      预授权
批次号:        000001
凭证号:        000123
授权码:        123456
参考号:        A00000000123
日期时间:      2026-11-22 21:34:05
金额:          RMB 500.00
登记条目:      A-000123
----------------------------------------
                交易成功

持卡人签名: ____________________________
 本人确认以上交易，同意将其记入本卡账户
"""

ENGLISH = """\
               SALES SLIP
           *** DUPLICATE ***
----------------------------------------
MERCHANT:      Peace Hotel
MERCHANT NO:   102100070110001
TERMINAL NO:   T0000001
OPERATOR:      01
----------------------------------------
CARD NO:       620000******0005 M
TRANSACTION:   COMPLETION
BATCH NO:      000001
TRACE NO:      000124
AUTH NO:       123456
REFERENCE NO:  A00000000123
DATE/TIME:     2026-11-22 21:34:05
ORIGINAL:      123456 1122
AMOUNT:        RMB 460.50
REGISTER:      A-000123
----------------------------------------
                APPROVED

SIGNATURE: _____________________________
      I AGREE TO THIS TRANSACTION
"""

COMPLETION = SALE._replace(
    trace_key="T0000001/000001/000124/0200",
    kind="completion",
    amount_minor=460_50,
    entry_mode="012",
    original_code="123456",
    original_date="1122",
)


def test_the_slip_in_chinese() -> None:
    assert slip(SALE, DEVICE) == CHINESE


def test_the_reprint_in_english() -> None:
    assert slip(COMPLETION, DEVICE, "en", reprint=True) == ENGLISH


def test_a_reprint_says_so_and_differs_in_nothing_else() -> None:
    original, again = slip(SALE, DEVICE).splitlines(), slip(SALE, DEVICE, reprint=True).splitlines()
    assert [line.strip() for line in again if line not in original] == ["*** 重印凭证 ***"]


@pytest.mark.parametrize(
    ("outcome", "code", "chinese", "english"),
    [
        ("declined", "51", "交易失败 51 余额不足", "DECLINED 51 insufficient funds"),
        ("declined", "Z9", "交易失败 Z9 response Z9", "DECLINED Z9 response Z9"),
        ("unknown", None, "结果未明，正在冲正：交易未成功", "OUTCOME UNKNOWN, BEING REVERSED"),
        ("reversed", None, "已冲正：交易未成功", "REVERSED"),
        ("asked", None, "等待应答：结果未明", "WAITING FOR THE ANSWER"),
    ],
)
def test_only_what_is_approved_says_approved(outcome: str, code: str | None, chinese: str, english: str) -> None:
    sale = SALE._replace(outcome=outcome, response_code=code, register_entry=None)
    told = {"zh": slip(sale, DEVICE, "zh"), "en": slip(sale, DEVICE, "en")}
    assert told["zh"].splitlines()[-1].strip() == chinese
    assert told["en"].splitlines()[-1].strip() == english
    assert "交易成功" not in told["zh"]
    assert "APPROVED" not in told["en"]
    assert "____" not in told["zh"] + told["en"]


def test_the_original_that_stands_after_all_says_why() -> None:
    note = "the reversal was answered 22: the original stands, see A-000200"
    assert note in slip(SALE._replace(reason=note), DEVICE, "en")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_line_is_wider_than_the_paper(language: Language) -> None:
    for line in slip(COMPLETION, DEVICE, language, reprint=True).splitlines():
        assert sum(2 if east_asian_width(character) in "WF" else 1 for character in line) <= WIDTH


@pytest.mark.parametrize("kind", ["sign-on", "reversal"])
def test_what_is_no_business_gets_no_slip(kind: str) -> None:
    with pytest.raises(BadInput, match="only business requests get a slip"):
        slip(SALE._replace(kind=kind), DEVICE)
