"""The slip (签购单): what the cardholder signs and keeps, from the terminal's own rows and nothing else.

It says "approved" only of a request that is, and then names the register entry under which anybody can look it up.
"""

from typing import Literal, NamedTuple
from unicodedata import east_asian_width

from holdfast.domain.commands import BY_NAME
from holdfast.domain.records import Device, Sale
from holdfast.domain.responses import RESPONSES, says
from holdfast.errors import BadInput
from holdfast.ids import parse_trace_key
from holdfast.money import format_amount

Language = Literal["zh", "en"]

WIDTH = 40
"""Columns of a 58 mm printer; a Chinese character takes two."""

LABEL_WIDTH = 14

_ENTRY_MODES = {"01": "M", "02": "S", "05": "I", "07": "C"}
"""The letter behind the card number: keyed (manual), stripe, chip (inserted), contactless."""


class _Words(NamedTuple):
    title: str
    reprint: str
    merchant: str
    merchant_id: str
    terminal: str
    operator: str
    card: str
    kind: str
    batch: str
    trace: str
    authorization: str
    reference: str
    at: str
    amount: str
    entry: str
    original: str
    remark: str
    signature: str
    consent: str
    outcomes: dict[str, str]


_WORDS: dict[str, _Words] = {
    "zh": _Words(
        "签购单",
        "*** 重印凭证 ***",
        "商户名称",
        "商户编号",
        "终端编号",
        "操作员号",
        "卡号",
        "交易类型",
        "批次号",
        "凭证号",
        "授权码",
        "参考号",
        "日期时间",
        "金额",
        "登记条目",
        "原预授权",
        "备注",
        "持卡人签名",
        "本人确认以上交易，同意将其记入本卡账户",
        {
            "approved": "交易成功",
            "declined": "交易失败",
            "unknown": "结果未明，正在冲正：交易未成功",
            "reversed": "已冲正：交易未成功",
            "asked": "等待应答：结果未明",
        },
    ),
    "en": _Words(
        "SALES SLIP",
        "*** DUPLICATE ***",
        "MERCHANT",
        "MERCHANT NO",
        "TERMINAL NO",
        "OPERATOR",
        "CARD NO",
        "TRANSACTION",
        "BATCH NO",
        "TRACE NO",
        "AUTH NO",
        "REFERENCE NO",
        "DATE/TIME",
        "AMOUNT",
        "REGISTER",
        "ORIGINAL",
        "REMARK",
        "SIGNATURE",
        "I AGREE TO THIS TRANSACTION",
        {
            "approved": "APPROVED",
            "declined": "DECLINED",
            "unknown": "OUTCOME UNKNOWN, BEING REVERSED",
            "reversed": "REVERSED",
            "asked": "WAITING FOR THE ANSWER",
        },
    ),
}


def slip(sale: Sale, device: Device, language: Language = "zh", reprint: bool = False) -> str:
    """The text of the slip, lines of at most WIDTH columns unless a name is longer; BadInput for what gets no slip."""
    if sale.kind not in BY_NAME:
        raise BadInput(f"{sale.trace_key} is a {sale.kind}: only business requests get a slip")
    words = _WORDS[language]
    lines = [_centred(words.title)]
    if reprint:
        lines.append(_centred(words.reprint))
    lines += ["-" * WIDTH, *_who(sale, device, words, language), "-" * WIDTH, *_what(sale, words, language)]
    lines += ["-" * WIDTH, _centred(_result(sale, words, language))]
    if sale.outcome == "approved":
        lines += ["", f"{words.signature}: {'_' * (WIDTH - 2 - _columns(words.signature))}", _centred(words.consent)]
    return "\n".join(lines) + "\n"


def _who(sale: Sale, device: Device, words: _Words, language: Language) -> list[str]:
    name = device.merchant_name if language == "zh" else device.merchant_name_en
    return [
        _line(words.merchant, name),
        _line(words.merchant_id, device.merchant_id),
        _line(words.terminal, device.terminal_id),
        _line(words.operator, sale.operator),
    ]


def _what(sale: Sale, words: _Words, language: Language) -> list[str]:
    key, kind = parse_trace_key(sale.trace_key), BY_NAME[sale.kind]
    mode = _ENTRY_MODES.get(sale.entry_mode[:2], "")
    original = f"{sale.original_code} {sale.original_date or ''}".strip() if sale.original_code else None
    pairs = [
        (words.card, f"{sale.card} {mode}".strip()),
        (words.kind, kind.zh if language == "zh" else kind.name.upper()),
        (words.batch, key.batch),
        (words.trace, key.stan),
        (words.authorization, sale.authorization_code),
        (words.reference, sale.rrn),
        (words.at, f"{sale.local_date} {sale.local_time}"),
        (words.original, original),
        (words.amount, f"RMB {format_amount(sale.amount_minor)}"),
        (words.entry, sale.register_entry),
        (words.remark, sale.reason if sale.outcome == "approved" else None),
    ]
    return [_line(label, value) for label, value in pairs if value]


def _result(sale: Sale, words: _Words, language: Language) -> str:
    """The outcome; a decline with its code and what the code means."""
    outcome = words.outcomes[sale.outcome]
    code = sale.response_code
    if sale.outcome != "declined" or not code:
        return outcome
    meaning = RESPONSES[code].zh if language == "zh" and code in RESPONSES else says(code)
    return f"{outcome} {code} {meaning}"


def _line(label: str, value: str) -> str:
    return f"{label}:{' ' * (LABEL_WIDTH - _columns(label))}{value}"


def _centred(text: str) -> str:
    return " " * ((WIDTH - _columns(text)) // 2) + text


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
