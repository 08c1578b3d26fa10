"""`holdfast codes`: what a response code means and what the cashier should do; also the page about them in docs/.

Needs no installation. The page is made by `python -m holdfast.edges.codes`, and a test keeps it equal to the table.
"""

import sys
from typing import Annotated, Any

import typer

from holdfast.domain.response_rows import CLASSES, ROWS, Response
from holdfast.domain.responses import OUTCOME_UNKNOWN, RESPONSES
from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import JsonOption
from holdfast.edges.slip_words import Language
from holdfast.errors import BadInput

_HEADS = {
    "en": ("code", "class", "meaning", "what the cashier does"),
    "zh": ("应答码", "类", "含义", "收银员怎么做"),
}
_OUTCOME = {
    "en": {True: "known", False: "UNKNOWN: money may be frozen or moved"},
    "zh": {True: "已明", False: "未明：资金可能已冻结或已划转"},
}
_FOREIGN = {"en": "answered by other hosts only", "zh": "仅见于其他主机"}


def codes(
    code: Annotated[str, typer.Argument(metavar="CODE", help="One response code, like 25.")] = "",
    json: JsonOption = False,
    lang: Annotated[Language, typer.Option("--lang", help="Language for people: zh or en.")] = "en",
) -> None:
    """Explain one response code (DE39), or list all: what it means and what the cashier should do. 应答码"""
    rows = ROWS if not code else (row_of(code),)
    if json:
        for row in rows:
            print_json(as_json(row))
    elif code:
        sys.stdout.write(explained(rows[0], lang) + "\n")
    else:
        title = "response codes" if lang == "en" else "应答码"
        print_table(title, _HEADS[lang], ((row.code, row.action, *_words(row, lang)) for row in rows))


def row_of(code: str) -> Response:
    """The row of a code as a person types it, or BadInput."""
    row = RESPONSES.get(code.upper())
    if row is None:
        raise BadInput(f"response code {code!r} is not in the table: `holdfast codes` lists what is")
    return row


def as_json(row: Response) -> dict[str, Any]:
    """What other tools read; `outcome_known` is false where the request is as unknown as if nobody had answered."""
    return {
        "code": row.code,
        "class": row.action,
        "class_says": CLASSES[row.action][0],
        "class_zh": CLASSES[row.action][1],
        "says": row.says,
        "zh": row.zh,
        "cashier": row.cashier,
        "cashier_zh": row.cashier_zh,
        "outcome_known": row.code not in OUTCOME_UNKNOWN,
        "foreign": row.foreign,
    }


def explained(row: Response, lang: Language) -> str:
    """One code for a person, a line for each thing to say."""
    _, of_class, _, cashier = _HEADS[lang]
    says, does = _words(row, lang)
    lines = [f"{row.code}  {says}"]
    lines += [f"{of_class}: {row.action}, {CLASSES[row.action][lang == 'zh']}"]
    lines += [f"{'outcome' if lang == 'en' else '结果'}: {_OUTCOME[lang][row.code not in OUTCOME_UNKNOWN]}"]
    lines += [f"{cashier}: {does}"]
    return "\n".join([*lines, _FOREIGN[lang]] if row.foreign else lines)


def _words(row: Response, lang: Language) -> tuple[str, str]:
    return (row.says, row.cashier) if lang == "en" else (row.zh, row.cashier_zh)


_HEAD = """\
<!-- Made from src/holdfast/domain/response_rows.py:
.venv/bin/python -m holdfast.edges.codes > docs/response-codes.md -->

# Response codes · 应答码

What DE39 of an answer means, and what to do at the till. The same table answers `holdfast codes`, `holdfast codes 25`
and `holdfast codes 25 --lang zh`, and stands behind every slip.

应答报文第 39 域的含义与收银员的处理。`holdfast codes --lang zh` 显示同一张表。

| class | meaning | 含义 |
|---|---|---|
"""

_READING = """
**Outcome unknown · 结果未明.** After a code marked ⚠ nobody knows yet whether money was frozen or moved. It is neither
a yes nor a no: the request is undone by a reversal (an advice or a refund is sent again), and the cashier looks it up
before trying again.
标 ⚠ 的应答码表示结果未明：系统自动冲正（通知、退货则重发），收银员须先查询，不得直接重试。

**22 or 25?** Both speak of the original. 25: it was not found under what was typed, so type again what the slip says.
22: it was found and no longer allows this, so look at its state: `holdfast register list --card-last4 NNNN` shows
whether it was completed, voided, reversed or expired, and `holdfast register show ENTRY` which rule refused.
25 是没找到：对照签购单重输；22 是找到了但状态不允许：先查原交易状态。

† marks private codes of other hosts, which an issuer or network may pass on; Holdfast never answers so.
† 为其他主机的私有应答码。

| code | class | meaning | 含义 | what the cashier does | 收银员怎么做 |
|---|---|---|---|---|---|
"""


def page() -> str:
    """docs/response-codes.md, both languages side by side."""
    classes = "".join(f"| {letter} | {says} | {zh} |\n" for letter, (says, zh) in CLASSES.items())
    rows = "".join(
        f"| {row.code}{_mark(row)} | {row.action} | {row.says} | {row.zh} | {row.cashier} | {row.cashier_zh} |\n"
        for row in ROWS
    )
    return f"{_HEAD}{classes}{_READING}{rows}"


def _mark(row: Response) -> str:
    return " ⚠" if row.code in OUTCOME_UNKNOWN else " †" if row.foreign else ""


if __name__ == "__main__":
    sys.stdout.write(page())
