"""Which rows of the register are meant: the options of `register list` and `register export`, alike for both."""

from datetime import date
from typing import Annotated

import typer

from holdfast.clock import date_of_mmdd
from holdfast.edges import register_output as show_as
from holdfast.edges.output import SHORT_KINDS
from holdfast.errors import BadInput
from holdfast.ids import parse_trace_key, without_repeat
from holdfast.money import parse_amount
from holdfast.reading.views import Filters

EntriesOption = Annotated[bool, typer.Option("--entries", help="The facts, one by one, instead of requests.")]
DayOption = Annotated[str, typer.Option("--date", help="Of that day: 2026-11-22, or MMDD as on the slip.")]
TerminalOption = Annotated[str | None, typer.Option("--terminal", help="Of that terminal.")]
MerchantOption = Annotated[str | None, typer.Option("--merchant", help="Of that merchant.")]
CardOption = Annotated[str | None, typer.Option("--card-last4", help="Of cards that end so.")]
AmountOption = Annotated[str, typer.Option("--amount", help="Of that amount, like 460.50.")]
KindOption = Annotated[str | None, typer.Option("--kind", help=f"Of that kind: {', '.join(show_as.KINDS)}.")]
RrnOption = Annotated[str | None, typer.Option("--rrn", help="With that reference number.")]
TraceKeyOption = Annotated[str, typer.Option("--trace-key", help="With that trace key.")]
AuthCodeOption = Annotated[str | None, typer.Option("--auth-code", help="With that authorization code.")]


def filters_of(
    day: str,
    terminal: str | None,
    merchant: str | None,
    card_last4: str | None,
    amount: str,
    kind: str | None,
    rrn: str | None,
    trace_key: str,
    auth_code: str | None,
    now_us: int,
) -> Filters:
    """What these options ask for at that business time; BadInput names the one that cannot be."""
    return Filters(
        parse_day(day, now_us) if day else None,
        terminal,
        merchant,
        parse_last4(card_last4) if card_last4 is not None else None,
        parse_amount(amount) if amount else None,
        parse_kind(kind) if kind is not None else None,
        rrn,
        normal_key(trace_key) if trace_key else None,
        auth_code,
    )


def parse_day(text: str, now_us: int) -> date:
    """`2026-11-22`, or `1122` as a slip says it; anything else is BadInput."""
    found = date_of_mmdd(text, now_us)
    if found is not None:
        return found
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"date {text!r} is not a day, like 2026-11-22 or 1122") from None


def parse_kind(text: str) -> str:
    """A kind as the tables print it or as it is called in full; BadInput for anything else."""
    known = {SHORT_KINDS.get(kind, kind): kind for kind in show_as.KINDS} | {k: k for k in show_as.KINDS}
    if text not in known:
        raise BadInput(f"--kind {text!r} is not one of {', '.join(show_as.KINDS)}")
    return known[text]


def parse_last4(text: str) -> str:
    """Four digits, or BadInput."""
    if not (len(text) == 4 and text.isascii() and text.isdecimal()):
        raise BadInput(f"--card-last4 {text!r} is not the last four digits of a card")
    return text


def normal_key(text: str) -> str:
    """A trace key, that of a repeat as the one of its request; BadInput for anything else."""
    key = parse_trace_key(text)
    return str(key._replace(mti=without_repeat(key.mti)))
