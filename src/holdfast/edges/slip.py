"""The slip (签购单): what the cardholder signs and keeps, from the terminal's own rows and nothing else.

It says "approved" only of a request that is, and then names the register entry under which anybody can look it up.
What is stored says that it is not yet registered. 32 columns for the printer, at most 24 lines for the screen as long
as names and remarks are of usual length.

A request is a `Sale`, or a mapping with the names of its fields. Five more names may be there: `supervisor`, the two
digits of whoever agreed; `original_rrn`, by which a void or refund names its original; `signature`, whether the
cardholder is asked to sign, where that is not as usual for the kind; `balance_minor`, what a balance inquiry was told;
`held_minor`, all that this terminal has put on the hold of an increment (see `with_held`).
The terminal is its `Device`, or a mapping likewise.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from holdfast.domain.commands import (
    BALANCE,
    BY_NAME,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    MOTO,
    PRE_AUTHORIZATION,
    Kind,
)
from holdfast.domain.records import Device, Sale
from holdfast.domain.responses import APPROVED, RESPONSES, says
from holdfast.edges.paper import RULE, WIDTH, centred, columns, indented, labelled
from holdfast.edges.slip_words import KINDS_EN, REPRINT, WORDS, Words
from holdfast.edges.slip_words import Language as Language
from holdfast.errors import BadInput
from holdfast.ids import mask_pan, parse_trace_key
from holdfast.money import CURRENCY_CNY, format_amount

Asked: TypeAlias = Sale | Mapping[str, Any]
Where: TypeAlias = Device | Mapping[str, Any]
Facts: TypeAlias = Mapping[str, Any]

_ENTRY_MODES = {"01": "M", "02": "S", "90": "S", "05": "I", "95": "I", "07": "C", "91": "C", "98": "C"}
"""The letter behind the card number: keyed (manual), swiped, chip inserted, contactless (DE22)."""

_UNSIGNED = frozenset({MOTO.name, COMPLETION_ADVICE.name, BALANCE.name})
"""Kinds at which no cardholder stands, or nothing is to be agreed to."""


def slip(asked: Asked, where: Where, language: Language = "zh", reprint: bool = False) -> str:
    """The text of the slip of one request; BadInput for what gets none (sign-on, reversal)."""
    facts = facts_of(asked)
    kind = BY_NAME.get(facts["kind"])
    if kind is None:
        raise BadInput(f"{facts['trace_key']} is a {facts['kind']}: only business requests get a slip")
    words = WORDS[language]
    title = words.balance_title if kind is BALANCE else words.title
    lines = [*heading(title, facts, where, language, reprint), *_what(facts, kind, language), RULE]
    lines += _result(facts, kind, language)
    if facts["outcome"] == "approved" and kind is not BALANCE:
        lines += centred(words.hold_stands) if kind is COMPLETION_VOID and facts["response_code"] == APPROVED else []
        lines += _signature(facts, words)
    return "\n".join(lines) + "\n"


def facts_of(row: Asked | Where) -> Facts:
    """A row by the names of its fields."""
    return row if isinstance(row, Mapping) else row._asdict()


def with_held(sale: Sale, sales: Iterable[Sale]) -> Facts:
    """A request for its slip; an increment of an own hold with what this terminal had put on it by then."""
    kinds = (PRE_AUTHORIZATION.name, MOTO.name, INCREMENT.name)
    before = [
        each
        for each in sales
        if each.hold == sale.hold
        and each.kind in kinds
        and each.outcome == "approved"
        and each.sequence <= sale.sequence
    ]
    own = sale.kind == INCREMENT.name and sale.outcome == "approved" and any(e.trace_key == sale.hold for e in before)
    return sale._asdict() | ({"held_minor": sum(each.amount_minor for each in before)} if own else {})


def heading(title: str, facts: Facts, where: Where, language: Language, reprint: bool) -> list[str]:
    """The head of every slip: what it is, whose terminal, who stood at it."""
    words, device = WORDS[language], facts_of(where)
    operator, supervisor = str(facts["operator"]), facts.get("supervisor")
    lines = [*centred(title), *(centred(REPRINT) if reprint else []), RULE]
    lines += labelled(words.merchant, merchant_of(device, language))
    lines += labelled(words.merchant_id, device["merchant_id"])
    lines += labelled(words.terminal, device["terminal_id"])
    return lines + labelled(words.operator, f"{operator}  {words.supervisor} {supervisor}" if supervisor else operator)


def merchant_of(device: Facts, language: Language) -> str:
    """The merchant's name in the language of the slip; its Chinese one where it has no other."""
    name = device["merchant_name_en"] if language == "en" else ""
    return str(name or device["merchant_name"])


def kind_name(kind: Kind, language: Language) -> str:
    """A kind as slips name it."""
    return kind.zh if language == "zh" else KINDS_EN.get(kind.name, kind.name.upper())


def card_of(facts: Facts) -> str:
    """The masked card with the letter of how it was read; masked here too, should somebody hand in a whole number."""
    card = facts["card"] or ""
    masked = mask_pan(card) if card.isdecimal() else card
    return f"{masked} {_ENTRY_MODES.get((facts['entry_mode'] or '')[:2], '')}".strip()


def money_of(amount_minor: int, currency: str = CURRENCY_CNY) -> str:
    """`RMB 500.00`; of another currency its number."""
    return f"{'RMB' if currency == CURRENCY_CNY else currency} {format_amount(amount_minor)}"


def original_of(facts: Facts) -> str:
    """How the request names its original: by code, RRN, or batch and trace, then its date; '' where it has none."""
    trace = facts.get("original_trace") or ""
    by_trace = f"{trace[:6]}/{trace[6:]}" if trace.strip("0") else ""
    named = facts.get("original_code") or facts.get("original_rrn") or by_trace
    return f"{named} {facts.get('original_date') or ''}".strip()


def _what(facts: Facts, kind: Kind, language: Language) -> list[str]:
    words, key = WORDS[language], parse_trace_key(facts["trace_key"])
    balance_minor = facts.get("balance_minor")
    pairs = [
        (words.card, card_of(facts)),
        (words.kind, kind_name(kind, language)),
        (words.batch_and_trace, f"{key.batch}/{key.stan}"),
        (words.authorization, facts["authorization_code"]),
        (words.reference, facts["rrn"]),
        (words.at, f"{facts['local_date']} {facts['local_time']}"),
        (words.original, original_of(facts)),
        (words.amount, "" if kind is BALANCE else money_of(facts["amount_minor"], facts["currency"])),
        (words.held, money_of(facts["held_minor"], facts["currency"]) if facts.get("held_minor") else ""),
        (words.available, "" if balance_minor is None else money_of(balance_minor)),
        (words.entry, facts["register_entry"]),
        (words.remark, facts["reason"] if facts["outcome"] == "approved" else None),
    ]
    return [line for label, value in pairs if value for line in labelled(label, value)]


def _result(facts: Facts, kind: Kind, language: Language) -> list[str]:
    """The outcome; with a code other than 00, what it means and what the cashier should do."""
    words, outcome, code = WORDS[language], facts["outcome"], facts["response_code"]
    if outcome in ("unknown", "asked"):
        lines = centred(words.unheard[kind.silence.value])
        return lines if kind is BALANCE else lines + centred(words.look_up)
    if outcome not in ("approved", "declined") or code in (None, "", APPROVED):
        return centred(words.outcomes[outcome])
    row = RESPONSES.get(code)
    lines = centred(f"{words.outcomes[outcome]} {code}")
    if row is None:
        return lines + centred(says(code))
    meaning, advice = (row.zh, row.cashier_zh) if language == "zh" else (row.says, row.cashier)
    return lines + centred(meaning) + indented(advice, "> ")


def _signature(facts: Facts, words: Words) -> list[str]:
    if not facts.get("signature", facts["kind"] not in _UNSIGNED):
        return centred(words.no_signature)
    return [f"{words.signature}: {'_' * (WIDTH - 2 - columns(words.signature))}", *centred(words.consent)]
