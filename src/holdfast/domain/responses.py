"""Response codes (DE39) as data: what each means, whether it approves, and what the cashier should do.

Classes: A approved, B try again, C do not try again, D the card, E system fault (domain.md §3).
"""

from typing import NamedTuple


class Response(NamedTuple):
    """One response code in both languages."""

    code: str
    action: str
    says: str
    zh: str
    cashier: str
    cashier_zh: str


_ROWS = (
    Response("00", "A", "approved", "交易成功", "Print the slip and get the signature.", "打印签购单，请持卡人签名"),
    Response("03", "C", "invalid merchant", "无效商户", "Call the acquirer.", "联系收单机构"),
    Response("12", "C", "invalid transaction", "无效交易", "Do not retry; check the original.", "勿重试，核对原交易"),
    Response("13", "B", "invalid amount", "无效金额", "Enter the amount again.", "重新输入金额"),
    Response("14", "C", "invalid card number", "无效卡号", "Check the card.", "核对卡号"),
    Response("15", "C", "no such issuer", "无此发卡机构", "Use another card.", "请换卡"),
    Response(
        "22",
        "C",
        "out of step with the original",
        "操作有误",
        "Look at the hold before anything else.",
        "先查询原交易状态",
    ),
    Response(
        "25",
        "C",
        "original not found",
        "未找到原交易",
        "Check date, code, card and merchant.",
        "核对日期、授权码、卡号、商户",
    ),
    Response("30", "E", "format error", "报文格式错误", "Call the acquirer.", "联系收单机构"),
    Response("40", "C", "function not supported", "不支持的功能", "Use another function.", "不支持该交易"),
    Response(
        "41", "D", "lost card", "挂失卡", "Keep the card if safe, call the acquirer.", "如安全则没收卡，联系收单机构"
    ),
    Response(
        "43", "D", "stolen card", "被窃卡", "Keep the card if safe, call the acquirer.", "如安全则没收卡，联系收单机构"
    ),
    Response("51", "C", "insufficient funds", "余额不足", "Lower the amount or use another card.", "降低金额或换卡"),
    Response("54", "C", "expired card", "过期卡", "Use another card.", "请换卡"),
    Response("55", "B", "wrong PIN", "密码错", "Enter the PIN again.", "重新输入密码"),
    Response(
        "58",
        "C",
        "not permitted to this terminal",
        "终端无此权限",
        "The acquirer must open the right.",
        "联系收单开通权限",
    ),
    Response("64", "C", "amount does not fit the original", "与原交易金额不符", "Correct the amount.", "更正金额"),
    Response(
        "68", "B", "reply too late", "应答超时", "Unknown: look it up, do not just retry.", "结果未明，先查询勿重试"
    ),
    Response("77", "B", "sign-on or batch out of step", "请重新签到", "Sign on again.", "重新签到"),
    Response("91", "B", "issuer not reachable", "发卡机构不可用", "Try later.", "稍后重试"),
    Response("94", "B", "duplicate transaction", "重复交易", "Check the register first.", "先查登记簿"),
    Response("96", "B", "fault of the centre", "系统故障", "Try later.", "稍后重试"),
    Response("97", "C", "terminal not registered", "终端未登记", "Call the acquirer.", "联系收单机构"),
    Response(
        "98", "B", "issuer did not answer", "发卡机构超时", "Unknown: it is being undone.", "结果未明，系统正在冲正"
    ),
    Response("99", "B", "PIN block wrong", "PIN格式错", "Sign on again.", "重新签到"),
    Response("A0", "B", "MAC wrong", "MAC校验错", "Sign on again.", "重新签到"),
)

RESPONSES = {row.code: row for row in _ROWS}

assert len(RESPONSES) == len(_ROWS), "a response code appears twice"

APPROVED = "00"
INVALID_MERCHANT = "03"
INVALID_TRANSACTION = "12"
INVALID_AMOUNT = "13"
INVALID_CARD = "14"
NO_SUCH_ISSUER = "15"
OUT_OF_STEP = "22"
ORIGINAL_NOT_FOUND = "25"
FORMAT_ERROR = "30"
NOT_SUPPORTED = "40"
LOST_CARD = "41"
STOLEN_CARD = "43"
INSUFFICIENT_FUNDS = "51"
EXPIRED_CARD = "54"
WRONG_PIN = "55"
NOT_PERMITTED = "58"
AMOUNT_INCONSISTENT = "64"
SIGN_ON_AGAIN = "77"
ISSUER_DOWN = "91"
DUPLICATE = "94"
SYSTEM_FAULT = "96"
UNKNOWN_TERMINAL = "97"
ISSUER_SILENT = "98"
BAD_PIN_BLOCK = "99"
MAC_ERROR = "A0"

APPROVALS = frozenset({APPROVED, "10", "11", "A2", "A4", "A5", "A6"})
"""Answers after which an issuer may have frozen or moved money (domain.md §3, class A)."""

OUTCOME_UNKNOWN = (APPROVALS - {APPROVED}) | {"68", ISSUER_SILENT}
"""Answers of an issuer that neither decline nor approve what was asked: as unknown as silence, and undone like it."""

REVERSAL_DONE = frozenset({APPROVED, ORIGINAL_NOT_FOUND, INVALID_TRANSACTION})
"""Answers to a reversal after which there is nothing left to undo (domain.md §4.3)."""


def says(code: str) -> str:
    """What a code means; codes that are not in the table are shown as they are."""
    row = RESPONSES.get(code)
    return row.says if row else f"response {code}"
