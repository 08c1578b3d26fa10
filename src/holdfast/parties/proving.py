"""What a sign-on says is believed when a message under the keys that it gave has come.

Anybody can send a sign-on, and name any journal in it: it bears no MAC. Only the terminal itself can unwrap the keys of
the answer. Until it has used them, the session keeps the journal and the batch that were proven before, and what the
last sign-on said of itself stands beside them. The first sealed message makes it the truth, and raises what is found.

Rule 1: an unproven sign-on writes its entry and the session, no finding and no batch. The next one takes its place; it
is told the same batch, and a sign-on of the proven journal is told the proven one.
Rule 2: the session is read again under a lock before it is changed: what two workers find is found once.
"""

from typing import Any, NamedTuple

from holdfast.domain.policy import Policy
from holdfast.domain.records import SESSIONS, SESSIONS_TO_CHANGE, Session, Terminal
from holdfast.domain.tables import Entry, put
from holdfast.parties.booking import raised
from holdfast.parties.step import Aside, Decision, Reads, RowOf, Step, Turn

ANOTHER_JOURNAL = "the terminal came back with another journal"
LOOK = "compare the terminal's journal with the register"


class Proof(NamedTuple):
    """A session whose last sign-on was proven just now, as it was before that; and the terminal's merchant."""

    session: Session
    merchant_id: str


def believed(session: Session) -> Session:
    """The session once its last sign-on is proven. Who has a journal keeps a chain, and seals its batches."""
    journal, former = session.unproven_journal, session.former_journal
    return session._replace(
        batch=session.unproven_batch,
        seals_batches=True,
        journal=journal,
        former_journal=former if journal == session.journal else session.journal,
        unproven_batch="",
        unproven_journal="",
        unproven_entry="",
        unproven_missing="",
    )


def prove(session: Session, terminal: Terminal) -> Reads[Session | None]:
    """The session after a message under its newest key: proven, unless it was read too long ago.

    By now somebody may have signed on (then that key is the previous one, or None: nobody has it any more), or another
    message may have proven the same.
    """
    now: Session | None
    (now,) = yield (RowOf(SESSIONS_TO_CHANGE, session.terminal_id),)
    if now is None or session.mak not in (now.mak, now.previous_mak):
        return None
    if session.mak != now.mak or not now.unproven_batch:
        return now
    yield (Aside(Proof(now, terminal.merchant_id)),)
    return believed(now)


def with_proof(decision: Decision, policy: Policy) -> Decision:
    """The decision; where its message proves a sign-on, with the session that follows, and with what is found."""
    proof: Proof | None = None
    answers: Any = None
    try:
        while True:
            wants = decision.send(answers)
            if wants and type(wants[0]) is Aside:
                proof, answers = wants[0].says, (None,)
            else:
                answers = yield wants
    except StopIteration as decided:
        step: Step = decided.value
    if proof is None:
        return step
    # What a decision wants last is its turn.
    (turn,) = answers
    for entry in step.entries:
        turn = turn.after(entry)
    session = put(SESSIONS, believed(proof.session))
    return step._replace(entries=(*step.entries, *found(proof, turn, policy)), write=(session, *step.write))


def found(proof: Proof, turn: Turn, policy: Policy) -> list[Entry]:
    """Findings: the register lacks what the terminal was told; a former device's requests may be lost."""
    session = proof.session
    reasons = []
    if session.unproven_missing:
        missing, _, why = session.unproven_missing.partition("|")
        reasons.append((missing, f"the terminal was told an entry that is missing: {why}"))
    if session.journal and session.unproven_journal not in (session.journal, session.former_journal):
        lost = f"what its former device had not sent in batch {session.batch} may be lost"
        reasons.append((session.unproven_entry, f"{ANOTHER_JOURNAL}: {lost}"))
    entries: list[Entry] = []
    for about, reason in reasons:
        facts = {"terminal_id": session.terminal_id, "merchant_id": proof.merchant_id, "about": about}
        entries.append(raised(facts, reason, LOOK, turn, policy))
        turn = turn.after(entries[-1])
    return entries
