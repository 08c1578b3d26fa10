"""Pages from facts: pure, so that a test can hold every column of them. What is a page is in `layout`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.domain.commands import BY_NAME, PRE_AUTHORIZATION, Kind, Silence
from holdfast.domain.journal import OWED, PLACING
from holdfast.domain.records import Device, Sale
from holdfast.domain.responses import RESPONSES, says
from holdfast.edges.paper import columns, wrapped
from holdfast.edges.shell import words
from holdfast.edges.shell.figures import grouped, in_words, large
from holdfast.edges.shell.layout import BESIDE_WIDTH, MARGIN, WIDTH, beside, fit, labelled, padded, paragraph
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import Language, kind_name, merchant_of, money_of
from holdfast.ids import parse_trace_key
from holdfast.parties.batch_messages import totals_of
from holdfast.parties.settings import parameters_from

Value = Mapping[str, Any]

LARGE_MINOR = 1_000_000
"""From this amount on (10,000.00) the amount is shown in words too, and typed twice."""

FACT_COLUMNS = 56
"""What stands behind a label is broken into lines of so many."""


class Stand(NamedTuple):
    """How the terminal stands: what the head of every page says."""

    device: Device | None
    operator: str
    linked: bool
    owed_n: int


def head(stand: Stand, language: Language) -> str:
    """Merchant, terminal, batch and operator; then the line, and what waits."""
    device = stand.device
    if device is None:
        return words.NEVER_LOADED(language)
    who = f" {words.OPERATOR_SHORT(language)} {stand.operator}" if stand.operator else ""
    middle = f"{device.terminal_id} {words.BATCH(language)} {device.batch}{who}"
    right = fit(" ".join(_states(stand, device, language)), WIDTH - columns(middle) - 3)
    room = WIDTH - columns(middle) - columns(right) - 3
    merchant = merchant_of(device._asdict(), language)
    left = f" {fit(merchant, room)} {middle}" if room >= MERCHANT_COLUMNS_MIN else f" {middle}"
    return f"{padded(left, WIDTH - columns(right) - 1)} {right}"


MERCHANT_COLUMNS_MIN = 6
"""With less room the merchant's name says nothing."""


def _states(stand: Stand, device: Device, language: Language) -> list[str]:
    """What a cashier must know, the most urgent first."""
    nearly_full = device.asked_n >= parameters_from(device.parameters).journal_warning
    states = [
        (words.LINE_UP, stand.linked),
        (words.LINE_DOWN, not stand.linked),
        (words.UNDOING, bool(device.reversal)),
        (words.SIGNED_OFF, not device.signed_on),
        (words.UNSENT, stand.owed_n > 0),
        (words.SETTLING, bool(device.settling)),
        (words.SETTLE_SOON, nearly_full and not device.settling),
    ]
    return [said(language, n=stand.owed_n) for said, holds in states if holds]


# --- menus and forms ----------------------------------------------------------------------------------------------


def menu(title: str, entries: Sequence[str], last: str, language: Language) -> list[str]:
    """A numbered menu of at most nine entries, and 0."""
    assert len(entries) <= 9, "a menu has nine entries at the most"
    lines = ["", f"{MARGIN}{title}", ""]
    lines += [f"{MARGIN}{MARGIN}{number}  {entry}" for number, entry in enumerate(entries, 1)]
    return [*lines, "", f"{MARGIN}{MARGIN}0  {last}"]


Facts = Sequence[tuple[str, str]]
"""Labels and values, as far as they have been entered."""


def form(title: str, facts: Facts, question: str, how_to_leave: str) -> list[str]:
    """What has been entered, and what is asked for now."""
    lines = ["", f"{MARGIN}{title}", ""]
    lines += [labelled(label, value) for label, value in facts if value]
    lines += [""] if facts else []
    return [*lines, f"{MARGIN}{question}", *([f"{MARGIN}{how_to_leave}"] if how_to_leave else [])]


def confirmation(title: str, facts: Facts, amount_minor: int, language: Language) -> list[str]:
    """The amount in large figures, above a limit in words too, and everything else that was entered."""
    lines = ["", f"{MARGIN}{title}    {words.CONFIRM(language)}", ""]
    lines += [labelled(label, value) for label, value in facts if value]
    lines += ["", f"{MARGIN}{money_of(amount_minor)}", ""]
    lines += [MARGIN + row for row in large(amount_minor)]
    if amount_minor >= LARGE_MINOR:
        lines += ["", *paragraph(in_words(amount_minor, language))]
    return lines


def waiting(title: str, facts: Facts, says_what: str, language: Language) -> list[str]:
    """While the acquirer is asked."""
    lines = ["", f"{MARGIN}{title}", ""]
    lines += [labelled(label, value) for label, value in facts if value]
    return [*lines, "", *paragraph(says_what), "", *paragraph(words.PLEASE_WAIT(language))]


def opening(language: Language) -> list[str]:
    """Before anything is known of the line."""
    return ["", f"{MARGIN}Holdfast", "", *paragraph(words.STARTING(language))]


def original_line(sale: Sale, amount_minor: int, language: Language) -> str:
    """An own request as it is shown where another one refers to it; of a hold, all that this terminal has held."""
    kind = kind_name(BY_NAME[sale.kind], language)
    return f"{kind}  {sale.local_date}  {money_of(amount_minor)}  {sale.card or ''}"


# --- outcomes -----------------------------------------------------------------------------------------------------


def banner(text: str) -> list[str]:
    """Something that must not be overlooked."""
    rule = "=" * (columns(text) + 4)
    return [MARGIN + rule, f"{MARGIN}  {text}", MARGIN + rule]


def approved(value: Value, kind: Kind, slip_text: str, language: Language) -> list[str]:
    """The slip, and beside it what the cashier wants to see from two steps away."""
    right = [*_headline(words.APPROVED(language)), kind_name(kind, language)]
    if value.get("balance") is not None:
        right += ["", words.AVAILABLE(language), money_of(value["balance"])]
    elif value.get("amount"):
        right += [money_of(value["amount"])]
    if value.get("authorization_code"):
        right += ["", f"{words.AUTH_NO(language)}  {value['authorization_code']}"]
    if value.get("register_entry"):
        right += [f"{words.ENTRY(language)}  {value['register_entry']}"]
    code = str(value.get("response_code") or "")
    row = RESPONSES.get(code)
    if row is not None and code != "00":
        right += ["", f"{words.RESPONSE(language)} {code}", *_said(row.zh if language == "zh" else row.says)]
    if kind.name in PLACING or kind is PRE_AUTHORIZATION:
        right += ["", *_said(words.KEEP_CODE(language))]
    right += ["", *_said(words.GIVE_SLIP(language))] if value.get("balance") is None else []
    right += ["", *_said(str(value["warning"]))] if value.get("warning") else []
    return beside(slip_text.rstrip("\n").split("\n"), right)


def _headline(text: str) -> list[str]:
    rule = "=" * columns(text)
    return [rule, text, rule, ""]


def _said(text: str) -> list[str]:
    return wrapped(text, BESIDE_WIDTH)


def stored(value: Value, slip_text: str, language: Language) -> list[str]:
    """An advice that is not registered yet: never shown as approved."""
    right = [*_headline(words.STORED(language)), money_of(value["amount"]), "", *_said(words.IS_STORED(language))]
    return beside(slip_text.rstrip("\n").split("\n"), right)


def declined(value: Value, title: str, language: Language) -> list[str]:
    """A clear no: its code, what it means, and what the cashier should do."""
    code = str(value.get("response_code") or "")
    row = RESPONSES.get(code)
    lines = ["", *banner(f"{words.DECLINED(language)}  {code}".rstrip()), "", f"{MARGIN}{title}", ""]
    if code:
        lines += _fact(words.MEANING, (row.zh if row and language == "zh" else says(code)), language)
    if row is not None:
        lines += _fact(words.DO_THIS, row.cashier_zh if language == "zh" else row.cashier, language)
    elif value.get("reason"):
        lines += _fact(words.REASON, words.reason_in(language, str(value["reason"])), language)
    lines += [""] + [labelled(label, text) for label, text in _names(value, language)]
    return lines


def not_begun(value: Value, title: str, language: Language, advice: Said | None = None) -> list[str]:
    """The terminal did not even begin: nothing was journaled, nothing sent."""
    lines = ["", *banner(words.NOT_BEGUN(language)), "", f"{MARGIN}{title}", ""]
    lines += _fact(words.REASON, words.reason_in(language, str(value.get("reason") or "")), language)
    return [*lines, "", *paragraph(advice(language))] if advice else lines


def unknown(value: Value, title: str, undone: bool, language: Language) -> list[str]:
    """Nobody knows: what must not be done, and what the terminal does about it."""
    kind = BY_NAME.get(str(value.get("kind")))
    silence = kind.silence if kind is not None else Silence.FORGOTTEN
    about = {
        Silence.REVERSED: words.IS_UNDONE if undone else words.IS_UNDOING,
        Silence.REPEATED: words.IS_REPEATED,
        Silence.FORGOTTEN: words.IS_FORGOTTEN,
    }[silence]
    lines = ["", *banner(words.UNKNOWN(language)), "", f"{MARGIN}{title}", ""]
    if silence is not Silence.FORGOTTEN and not undone:
        lines += [f"{MARGIN}{words.DO_NOT_RETAKE(language)}", ""]
    lines += [*paragraph(about(language)), ""]
    if value.get("reason"):
        lines += _fact(words.REASON, words.reason_in(language, str(value["reason"])), language)
    return lines + [labelled(label, text) for label, text in _names(value, language)]


def fault(reason: str, language: Language) -> list[str]:
    """Something of the terminal itself failed."""
    lines = ["", *banner(words.FAULT(language)), "", *paragraph(words.FAULT_ADVICE(language)), ""]
    return lines + _fact(words.REASON, reason, language)


def plainly(title: str, outcome: str, *remarks: str) -> list[str]:
    """The outcome of the terminal's own business."""
    lines = ["", *banner(outcome), "", f"{MARGIN}{title}", ""]
    return lines + [line for remark in remarks if remark for line in paragraph(remark)]


def _fact(label: Said, text: str, language: Language) -> list[str]:
    first, *rest = wrapped(text, FACT_COLUMNS)
    return [labelled(label(language), first), *(labelled("", line) for line in rest)]


def _names(value: Value, language: Language) -> list[tuple[str, str]]:
    named = [
        (words.AMOUNT, money_of(value["amount"]) if value.get("amount") else ""),
        (words.CARD, str(value.get("card") or "")),
        (words.ENTRY, str(value.get("register_entry") or "")),
        (words.TRACE_KEY, str(value.get("trace_key") or "")),
    ]
    return [(label(language), text) for label, text in named if text]


# --- lists --------------------------------------------------------------------------------------------------------

LAST_COLUMNS = (6, 8, 18, 5, 12, 16, 6)


def transactions(sales: Iterable[Sale], language: Language) -> list[str]:
    """The last requests, one a line, the newest first."""
    names = (words.TRACE, words.TIME, words.KIND, words.CARD_TAIL, words.OUTCOME, words.AMOUNT, words.AUTH)
    lines = [_row([name(language) for name in names], LAST_COLUMNS)]
    for sale in sales:
        outcome = words.OUTCOMES[sale.outcome](language)
        if sale.outcome == "declined" and sale.response_code:
            outcome = f"{outcome} {sale.response_code}"
        cells = (
            parse_trace_key(sale.trace_key).stan,
            sale.local_time,
            kind_name(BY_NAME[sale.kind], language),
            f"*{(sale.card or '')[-4:]}",
            outcome,
            grouped(sale.amount_minor) if sale.amount_minor else "",
            sale.authorization_code or "",
        )
        lines.append(_row(cells, LAST_COLUMNS))
    return lines if len(lines) > 1 else ["", f"{MARGIN}{words.NO_TRANSACTIONS(language)}"]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    last = len(cells) - 2
    return (
        " "
        + " ".join(
            padded(cell, width, right=at == last) for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
    )


def totals(device: Device, sales: Sequence[Sale], language: Language) -> list[str]:
    """The batch: what counts, by kind and by class, and what does not count yet."""
    capacity = parameters_from(device.parameters).journal_capacity
    widths = (24, 8, 18)
    lines = ["", f"{MARGIN}{words.TOTALS(language)}  {words.BATCH(language)} {device.batch}", ""]
    header = (words.KIND(language), words.COUNT(language), words.AMOUNT(language))
    lines.append(_sum(header, widths))
    for kind in BY_NAME.values():
        of_kind = [sale for sale in sales if sale.kind == kind.name and sale.outcome == "approved"]
        if of_kind:
            amount = grouped(sum(sale.amount_minor for sale in of_kind)) if of_kind[0].amount_minor else ""
            lines.append(_sum((kind_name(kind, language), str(len(of_kind)), amount), widths))
    lines.append("")
    for name, each in zip((words.DOMESTIC, words.FOREIGN), totals_of(sales), strict=True):
        for side, count, amount_minor in (
            (words.DEBIT, each.debit_count, each.debit_amount_minor),
            (words.CREDIT, each.credit_count, each.credit_amount_minor),
        ):
            label = f"{name(language)} {side(language)}"
            lines.append(_sum((label, str(count), grouped(amount_minor)), widths))
    owed = sum(sale.delivery == OWED for sale in sales)
    used = f"{MARGIN}{words.USED(language, n=device.asked_n, most=capacity)}"
    return [*lines, "", used, *([f"{MARGIN}{words.NOT_COUNTED(language, n=owed)}"] if owed else [])]


def _sum(cells: tuple[str, str, str], widths: tuple[int, int, int]) -> str:
    name, count, amount = cells
    return (
        MARGIN + padded(name, widths[0]) + padded(count, widths[1], right=True) + padded(amount, widths[2], right=True)
    )


def parameters(device: Device, language: Language) -> list[str]:
    """Who the terminal is and what its acquirer has set."""
    pairs = [
        (words.MERCHANT(language), f"{device.merchant_name} {device.merchant_name_en}"),
        (words.MERCHANT_ID(language), device.merchant_id),
        (words.TERMINAL_ID(language), device.terminal_id),
        (words.BATCH(language), device.batch),
        (words.TRACE_LAST(language), f"{device.stan:06d}"),
    ]
    pairs += [
        (words.PARAMETER_NAMES[name](language), _parameter(name, value, language))
        for name, value in parameters_from(device.parameters)._asdict().items()
    ]
    lines = ["", f"{MARGIN}{words.PARAMETERS(language)}", ""]
    for label, value in pairs:
        first, *rest = wrapped(value, FACT_COLUMNS)
        lines += [labelled(label, first), *(labelled("", line) for line in rest)]
    return lines


def _parameter(name: str, value: Any, language: Language) -> str:
    if name == "floor_minor":
        return money_of(value) if value else words.NO_LIMIT(language)
    if name == "supervisor_kinds":
        return ", ".join(kind_name(BY_NAME[each], language) for each in value.split())
    said = words.PARAMETER_VALUES.get(str(value))
    return said(language) if said else str(value)


def centred_slip(text: str) -> list[str]:
    """A slip alone on the page."""
    return [f"{' ' * 20}{line}".rstrip() for line in text.rstrip("\n").split("\n")]
