"""How entries of the issuer's book become money, holds and answers: the one place where the issuer's rows come from.

Rule 1: every movement of money is a posting: lines [account, sub-account, amount] of one entry that sum to zero.
Rule 2: where money lies follows from the acts in force of its hold. A posting is the difference between two lives of a
hold, so a reversal gives back exactly what is still in force, and nobody has to think of each pair of cases.
Rule 3: a decision writes an entry's facts; the rows follow from them by `changes`, when it is written and again when an
audit rebuilds everything from the book. So a row can never say what no entry said.

Facts of an entry (keys of its body) by `phase`:

    opened    an account (`account`), with what it begins with as `postings`
    judged    a question, its answer (`outcome`, `response_code`) and, when approved, `hold` and `postings`
    recorded  a reversal advice: `undoes` says what became of it, `hold` and `postings` how that changed things
    released  the rest of a hold that was completed in part was freed for the acquirer
    barred    a question that we failed to judge is declined for ever
    expired   a hold nobody completed was released
    duplicate same exchange id, other question; refused, imported: these change no row

`hold` says how a hold changes: `id`, `version`, and `act` [name, by, amount, terms] put in force and/or `out`, the
exchange taken out. What was frozen by an act, and the end of the hold, are among its terms.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from holdfast.domain import responses
from holdfast.domain.commands import RELEASE, REVERSAL
from holdfast.domain.hold import POSTS, Act, Acts, Reversal, State, acts_after, dump, fold, load
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, Account, Answer, Freeze
from holdfast.domain.tables import DUE, Due, Key, Row, Table, Write, insert, put, remove
from holdfast.ids import entry_id

Facts: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Mapping[tuple[Table, Key], Row]
"""Rows by table and key; None stands for a row that is no more."""

Line: TypeAlias = list[Any]
"""[account id, sub-account, amount in minor units], as an entry keeps it."""

AVAILABLE, HELD = "available", "held"
CLEARING, FUNDING = "clearing", "funding"
"""Kinds of contra account: what was completed is owed to the acquirer, and where the accounts' money came from."""

_TABLE_OF = {Account: ACCOUNTS, Answer: ANSWERS, Freeze: FREEZES}

APPROVED, DECLINED, REVERSED, TOMBSTONE = "approved", "declined", "reversed", "tombstone"
NEVER_SEEN = "never seen"
"""What a reversal undoes that comes before its request: nothing, and the request is barred for ever."""


def contra_id(issuer_id: str, kind: str) -> str:
    """The contra account of an issuer; `kind` is CLEARING or FUNDING."""
    return f"{issuer_id}/{kind}"


def undo_key(exchange_id: str) -> str:
    """The key of the answer to a reversal advice: it is asked under the exchange id of what it undoes."""
    return f"{exchange_id}#undo"


def release_key(exchange_id: str) -> str:
    """The key of the answer to a release: it is asked under the exchange id of the completion that left something."""
    return f"{exchange_id}#release"


# --- money --------------------------------------------------------------------------------------------------------


class Lies(NamedTuple):
    """Where a hold's money lies: so much is held in the account, so much was taken from it for the merchant."""

    held_minor: int
    taken_minor: int


def lies(acts: Acts) -> Lies:
    """The acts in force -> where the money is. Only what was frozen can be freed, and a completion never needs it."""
    held_minor = taken_minor = 0
    for each in acts:
        act, amount_minor = each.act, each.amount_minor
        if act in FREEZES_MORE:
            held_minor += each.terms.frozen_minor
        elif act is Act.COMPLETE_PART:
            held_minor -= min(held_minor, amount_minor)
        elif act in FREES:
            held_minor = 0
        if act in POSTS:
            taken_minor += amount_minor
        elif act in GIVES_BACK:
            taken_minor -= amount_minor
    return Lies(held_minor, taken_minor)


FREEZES_MORE = frozenset({Act.PLACE, Act.INCREASE, Act.REOPEN})
FREES = frozenset({Act.COMPLETE, Act.RELEASE, Act.VOID, Act.EXPIRE, Act.TAKE_BACK})
GIVES_BACK = frozenset({Act.REOPEN, Act.REFUND, Act.TAKE_BACK})


def movement(freeze: Freeze, change: Facts) -> list[Line]:
    """The posting that brings a hold's money from where its acts in force left it to where they are after a change."""
    acts = load(freeze.acts)
    before, after = lies(acts), lies(acts_after(acts, change))
    held_minor = after.held_minor - before.held_minor
    taken_minor = after.taken_minor - before.taken_minor
    clearing = contra_id(freeze.issuer_id, CLEARING)
    return _net(
        [
            [freeze.account_id, AVAILABLE, -held_minor - taken_minor],
            [freeze.account_id, HELD, held_minor],
            [clearing, AVAILABLE, taken_minor],
        ]
    )


def funded(account_id: str, issuer_id: str, amount_minor: int) -> list[Line]:
    """The posting that an account begins with."""
    return _net([[contra_id(issuer_id, FUNDING), AVAILABLE, -amount_minor], [account_id, AVAILABLE, amount_minor]])


def _net(lines: list[Line]) -> list[Line]:
    """One line for each sub-account, none where nothing moves."""
    sums: dict[tuple[str, str], int] = {}
    for account, sub, amount_minor in lines:
        sums[account, sub] = sums.get((account, sub), 0) + amount_minor
    return [[account, sub, amount_minor] for (account, sub), amount_minor in sums.items() if amount_minor]


# --- rows ---------------------------------------------------------------------------------------------------------


def changes(known: Rows, facts: Facts) -> dict[tuple[Table, Key], Row]:
    """The rows that an entry changes, as they are after it; `known` holds at least these rows as they were before."""
    after: dict[tuple[Table, Key], Row] = {}
    if facts["phase"] == "opened":
        account = opened(facts)
        after[ACCOUNTS, account.account_id] = account
    for account_id, sub, amount_minor in facts.get("postings", ()):
        account = after.get((ACCOUNTS, account_id)) or known[ACCOUNTS, account_id]
        after[ACCOUNTS, account_id] = posted_to(account, sub, amount_minor)
    if "hold" in facts:
        hold_id = facts["hold"]["id"]
        freeze = freeze_after(known.get((FREEZES, hold_id)) or placed(facts), facts)
        after[FREEZES, hold_id] = freeze
        after[DUE, _expiry_key(hold_id)] = expiry_of(freeze)
    after.update(((ANSWERS, answer.exchange_id), answer) for answer in answers_after(known, facts))
    return after


def rows_of(*rows: Row | None) -> dict[tuple[Table, Key], Row]:
    """Accounts, holds and answers that were read, by table and key; those that do not exist are left out."""
    return {(_TABLE_OF[type(row)], row[0]): row for row in rows if row is not None}


def writes(known: Rows, after: Rows) -> tuple[Write, ...]:
    """What a step writes for the rows after it. A row that was not known must be new; due rows are not looked at."""
    return tuple(_write(known, table, key, row) for (table, key), row in after.items())


def _write(known: Rows, table: Table, key: Key, row: Row | None) -> Write:
    if row is None:
        return remove(table, key)
    return put(table, row) if table is DUE or (table, key) in known else insert(table, row)


def rebuilt(book: Iterable[Facts]) -> dict[tuple[Table, Key], Row]:
    """Every row that the entries of a book make, from the first entry to the last (accounts without their secrets)."""
    rows: dict[tuple[Table, Key], Row] = {}
    for facts in book:
        rows.update(changes(rows, facts))
    return {place: row for place, row in rows.items() if row is not None}


def opened(facts: Facts) -> Account:
    """The account of an opening entry, before its posting. Its secrets (see `without_secrets`) stand in no entry."""
    account = facts["account"]
    return Account(
        account["id"],
        account["issuer"],
        b"",
        account["card"],
        account["kind"],
        account["expiry"],
        account["status"],
        None,
        account["frozen_percent"],
        0,
        0,
    )


def without_secrets(account: Account) -> Account:
    """The part of an account that follows from the book: not the keyed hashes of its card number and PIN."""
    return account._replace(pan_hash=b"", pin_verifier=None)


def posted_to(account: Account, sub: str, amount_minor: int) -> Account:
    """The account after one line of a posting."""
    if sub == AVAILABLE:
        return account._replace(available_minor=account.available_minor + amount_minor)
    assert sub == HELD, f"no such sub-account: {sub}"
    return account._replace(held_minor=account.held_minor + amount_minor)


def placed(facts: Facts) -> Freeze:
    """The hold that an approved pre-authorization or sale makes, before its first act."""
    return Freeze(
        facts["hold"]["id"],
        0,
        State.NONE.value,
        "[]",
        facts["account_id"],
        facts["issuer"],
        facts["authorization_code"],
        facts["at"],
        0,
        0,
        0,
        0,
        0,
    )


def freeze_after(freeze: Freeze, facts: Facts) -> Freeze:
    """The hold after an entry that changes it."""
    change = facts["hold"]
    acts = acts_after(load(freeze.acts), change)
    life = fold(acts)
    return freeze._replace(
        version=change["version"],
        state=life.state.value,
        acts=dump(acts),
        expires_us=life.expires_us or freeze.expires_us,
        requested_minor=life.requested_minor,
        held_minor=lies(acts).held_minor,
        completed_minor=life.completed_minor,
        refunded_minor=life.refunded_minor,
    )


def expiry_of(freeze: Freeze) -> Due | None:
    """What a hold waits for: as long as it stands, its end."""
    if freeze.state != State.HELD:
        return None
    return Due(_expiry_key(freeze.hold_id), freeze.expires_us, 0, freeze.placed_us)


def _expiry_key(hold_id: str) -> str:
    return f"expire:{hold_id}"


def answers_after(known: Rows, facts: Facts) -> list[Answer]:
    """The answers that an entry gives or changes."""
    phase = facts["phase"]
    if phase == "judged":
        return [_answer(facts)]
    if phase == "barred":
        return [_tombstone(facts, facts["response_code"])]
    if phase == "released":
        return [_answer(facts)._replace(exchange_id=release_key(facts["exchange_id"]), kind=RELEASE)]
    if phase != "recorded":
        return []
    advice = _answer(facts)._replace(exchange_id=undo_key(facts["exchange_id"]), kind=REVERSAL)
    if facts["undoes"] == NEVER_SEEN:
        return [advice, _tombstone(facts, responses.INVALID_TRANSACTION)]
    if facts["undoes"] == Reversal.TAKEN_OUT:
        return [advice, known[ANSWERS, facts["exchange_id"]]._replace(outcome=REVERSED)]
    return [advice]


def _answer(facts: Facts) -> Answer:
    return Answer(
        facts["exchange_id"],
        bytes.fromhex(facts.get("question", "")),
        facts["kind"],
        facts["outcome"],
        facts["issuer"],
        facts.get("account_id"),
        facts.get("hold_id"),
        facts["amount"],
        facts["response_code"],
        facts.get("authorization_code"),
        entry_id(facts["log"], facts["number"]),
        facts["at"],
    )


def _tombstone(facts: Facts, code: str) -> Answer:
    """Whatever is asked under this exchange id, the answer is `code`."""
    kind = facts.get("echoes", facts["kind"])
    return _answer(facts)._replace(question=b"", kind=kind, outcome=TOMBSTONE, response_code=code)
