"""What a terminal prints when its batch is settled: totals with the centre's verdict, and advices not registered."""

from collections.abc import Iterable

from holdfast.domain.commands import BY_NAME
from holdfast.domain.responses import RESPONSES, says
from holdfast.edges.paper import RULE, centred, indented, labelled, sides
from holdfast.edges.slip import (
    Asked,
    Facts,
    Where,
    card_of,
    facts_of,
    heading,
    kind_name,
    merchant_of,
    money_of,
    original_of,
)
from holdfast.edges.slip_words import WORDS, Language, Words
from holdfast.ids import parse_trace_key
from holdfast.money import format_amount
from holdfast.wire.settlement import BALANCED, NOT_ANSWERED, NOT_BALANCED, ClassTotals, Totals

_COUNT_WIDTH, _AMOUNT_WIDTH = 4, 14

UNDELIVERED = frozenset({"stored", "unknown", "asked"})
"""Outcomes of an advice that the centre has not answered."""


def settlement_slip(
    settled: Asked, where: Where, ours: Totals, answer: Totals | None, language: Language = "zh", reprint: bool = False
) -> str:
    """The slip of a settlement: our totals, and beside a class that does not balance the centre's own.

    `settled` is the settlement's request (its trace key, operator, date, time and register entry are shown), `answer`
    the totals of the 0510, None where none has come.
    """
    facts, words = facts_of(settled), WORDS[language]
    key = parse_trace_key(facts["trace_key"])
    answers = answer or Totals(ClassTotals(), ClassTotals())
    lines = heading(words.settlement_title, facts, where, language, reprint)
    lines += labelled(words.batch_and_trace, f"{key.batch}/{key.stan}")
    lines += labelled(words.at, f"{facts['local_date']} {facts['local_time']}")
    if facts["register_entry"]:
        lines += labelled(words.entry, facts["register_entry"])
    lines += [RULE, *_class(words.domestic, ours.domestic, answers.domestic, words)]
    lines += [*_class(words.foreign, ours.foreign, answers.foreign, words), RULE]
    net_minor = sum(each.debit_amount_minor - each.credit_amount_minor for each in ours)
    lines += [*sides(words.net, money_of(net_minor)), *centred(_verdict(answers, words))]
    return "\n".join(lines) + "\n"


def _class(name: str, ours: ClassTotals, answer: ClassTotals, words: Words) -> list[str]:
    lines = sides(name, words.replies[answer.reply])
    lines += _totals("", ours, words)
    # Only where the centre says "not balanced" are the totals of its answer its own.
    return lines + _totals(f"{words.centre} ", answer, words) if answer.reply == NOT_BALANCED else lines


def _totals(whose: str, totals: ClassTotals, words: Words) -> list[str]:
    sums = (
        (words.debit, totals.debit_count, totals.debit_amount_minor),
        (words.credit, totals.credit_count, totals.credit_amount_minor),
    )
    return [
        line
        for side, count, amount_minor in sums
        for line in sides(whose + side, f"{count:{_COUNT_WIDTH}}{format_amount(amount_minor):>{_AMOUNT_WIDTH}}")
    ]


def _verdict(answers: Totals, words: Words) -> str:
    replies = {each.reply for each in answers}
    if NOT_ANSWERED in replies:
        return words.not_settled
    return words.settled if replies == {BALANCED} else words.to_upload


def failed_advices(advices: Iterable[Asked], where: Where, language: Language = "zh") -> str:
    """The list of advices that are not in the register: refused ones with the code, and those that still wait.

    Whatever of `advices` was approved is left out. Each is shown with what a completion by hand needs: card,
    authorization code, date, amount.
    """
    words, device = WORDS[language], facts_of(where)
    all_facts = [facts_of(advice) for advice in advices]
    groups = (
        (words.refused, [facts for facts in all_facts if facts["outcome"] == "declined"]),
        (words.waiting, [facts for facts in all_facts if facts["outcome"] in UNDELIVERED]),
    )
    lines = [*centred(words.failed_title), RULE]
    lines += labelled(words.merchant, merchant_of(device, language))
    lines += labelled(words.terminal, device["terminal_id"])
    for name, group in groups:
        lines += [RULE, *sides(name, str(len(group)))]
        lines += [line for facts in group for line in _advice(facts, language)]
    failed = [facts for _, group in groups for facts in group]
    total_minor = sum(facts["amount_minor"] for facts in failed)
    lines += [RULE, *sides(f"{words.total} {len(failed)}", money_of(total_minor))]
    return "\n".join([*lines, *centred(words.keep_slips if failed else words.none)]) + "\n"


def _advice(facts: Facts, language: Language) -> list[str]:
    key, code = parse_trace_key(facts["trace_key"]), facts["response_code"] or ""
    lines = sides(f"{key.stan} {kind_name(BY_NAME[facts['kind']], language)}", code)
    lines += sides(f"  {card_of(facts)}", format_amount(facts["amount_minor"]))
    original = original_of(facts)
    lines += labelled(f"  {WORDS[language].original}", original) if original else []
    if not code:
        return lines
    row = RESPONSES.get(code)
    return lines + indented(row.zh if row and language == "zh" else says(code))
