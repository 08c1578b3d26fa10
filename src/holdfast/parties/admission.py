"""Who may be heard at all: terminal known, signed on, MAC right. And how a terminal signs on.

A message with a wrong MAC has not been received: it is answered (97, 77 or A0, without a MAC) and recorded nowhere.
"""

from typing import Any, NamedTuple

from holdfast.clock import hhmmss, mmdd
from holdfast.domain import responses
from holdfast.domain.commands import MESSAGE_TYPE_NETWORK, SIGN_ON, SIGN_ON_DOUBLE, SIGN_ON_SINGLE, SIGN_ON_TRACK
from holdfast.domain.policy import Policy
from holdfast.domain.records import MERCHANTS, REQUESTS, SESSIONS, TERMINALS, Merchant, Session, Terminal
from holdfast.domain.tables import Find, put
from holdfast.ids import rrn_of
from holdfast.parties.step import (
    TURN,
    Decision,
    Outgoing,
    Reads,
    Received,
    RowOf,
    Seal,
    Step,
    Turn,
    Want,
    export_under,
    new_working_key,
    verify_mac,
)
from holdfast.parties.translate import bare_answer
from holdfast.wire import chain
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import WorkingKeys, mac_block, pack_working_keys

MAC_ALGORITHM = "ecb"
MAC_FIELD = 64
FIRST_BATCH = 1
BATCH_MAX = 999_999


class Admitted(NamedTuple):
    """A message that was received: from this terminal, in this session, under this MAC key."""

    terminal: Terminal
    merchant: Merchant | None
    session: Session
    under_previous_key: bool

    @property
    def seal(self) -> Seal:
        """What the answer is sealed with: the key that the message bore, which may be all that its sender has."""
        mak = self.session.previous_mak if self.under_previous_key else None
        return mak or self.session.mak, MAC_ALGORITHM

    def too_late(self, turn: Turn) -> bool:
        """Whether the MAC held only under a key whose time is over."""
        return self.under_previous_key and turn.now_us >= self.session.previous_until_us


def admit(event: Received, *also: Want) -> Reads[tuple[Admitted | str, tuple[Any, ...]]]:
    """Admit a terminal's message, or say the code it is refused with; `also` are wants to be answered on the way."""
    message = event.message
    terminal_id = message.get(41)
    terminal, session, *others = yield (RowOf(TERMINALS, terminal_id), RowOf(SESSIONS, terminal_id), *also)
    if terminal is None or not terminal.enabled:
        return responses.UNKNOWN_TERMINAL, ()
    if session is None:
        return responses.SIGN_ON_AGAIN, ()
    if MAC_FIELD not in message.fields:
        return responses.MAC_ERROR, ()
    block, mac = mac_block(UNIONPAY, message.raw), message.get(MAC_FIELD)
    holds, merchant = yield (
        verify_mac(session.mak, MAC_ALGORITHM, block, mac),
        RowOf(MERCHANTS, terminal.merchant_id),
    )
    if holds:
        return Admitted(terminal, merchant, session, False), tuple(others)
    if session.previous_mak is not None:
        (holds,) = yield (verify_mac(session.previous_mak, MAC_ALGORITHM, block, mac),)
        if holds:
            return Admitted(terminal, merchant, session, True), tuple(others)
    return responses.MAC_ERROR, ()


def turned_away(event: Received, code: str, turn: Turn, policy: Policy) -> Step:
    """The answer to a message that was not received."""
    answer = bare_answer(event.message, code, turn.now_us, policy)
    says = f"terminal {event.message.get(41)!r}: {event.message.mti} answered {code}, {responses.says(code)}"
    return Step(send=(Outgoing(event.link, answer),), says=says)


def echo(event: Received, policy: Policy) -> Decision:
    """Is the line alive? (0820, 60.3 = 301)"""
    (terminal,) = yield (RowOf(TERMINALS, event.message.get(41)),)
    (turn,) = yield (TURN,)
    code = responses.APPROVED if terminal is not None and terminal.enabled else responses.UNKNOWN_TERMINAL
    return Step(send=(Outgoing(event.link, bare_answer(event.message, code, turn.now_us, policy)),))


KEY_SIZES = {SIGN_ON_SINGLE: (8, 0), SIGN_ON_DOUBLE: (16, 0), SIGN_ON_TRACK: (16, 16)}
"""60.3 -> bytes of the PIN key and of the track key; the MAC key is always a single one (domain.md §5)."""


def sign_on(event: Received, policy: Policy) -> Decision:
    """0800: fresh working keys under the terminal's master key, and the batch.

    A terminal whose journal we do not know (it was reinstalled: its next message is no later than the last we saw)
    gets a new batch, so that its trace numbers name new requests.
    """
    message = event.message
    terminal_id, wanted = message.get(41), message.get(60)[8:11]
    terminal, session, seen = yield (
        RowOf(TERMINALS, terminal_id),
        RowOf(SESSIONS, terminal_id),
        Find(REQUESTS, (("terminal_id", terminal_id),), 1),
    )
    if terminal is None or not terminal.enabled or wanted not in KEY_SIZES:
        (turn,) = yield (TURN,)
        code = responses.UNKNOWN_TERMINAL if terminal is None or not terminal.enabled else responses.FORMAT_ERROR
        return turned_away(event, code, turn, policy)
    pin_size, track_size = KEY_SIZES[wanted]
    wants: tuple[Want, ...] = (new_working_key("pik", pin_size), new_working_key("mak", 8))
    pik, mak, *tdk = yield (*wants, new_working_key("tdk", track_size)) if track_size else wants
    exported = yield tuple(export_under(terminal.tmk, key) for key in (pik, mak, *tdk))
    (turn,) = yield (TURN,)
    link = chain.parse_request(message.get(CHAIN_FIELD))
    last_sequence = seen[0].sequence if seen else 0
    batch = batch_for(session, link.sequence if link else None, last_sequence)
    signed_on = Session(
        terminal_id,
        batch,
        True,
        message.get(63)[:2].strip(),
        mak,
        pik,
        session.mak if session else None,
        turn.now_us + policy.previous_mak_us,
        turn.now_us,
    )
    facts = {
        "phase": "recorded",
        "terminal_id": terminal_id,
        "merchant_id": terminal.merchant_id,
        "actor": signed_on.operator or "terminal",
        "batch": batch,
        "journal_known": batch == (session.batch if session else ""),
    }
    answer = sign_on_answer(message, batch, pack_working_keys(working_keys(exported)), turn, policy)
    return Step((turn.record(SIGN_ON, facts),), (put(SESSIONS, signed_on),), (Outgoing(event.link, answer),))


def batch_for(session: Session | None, sequence: int | None, last_sequence: int) -> str:
    """The batch of a terminal that signs on: its own again, or a new one when its journal is not the one we know."""
    if session is None:
        return f"{FIRST_BATCH:06d}"
    known = sequence is None or sequence > last_sequence
    return session.batch if known else f"{int(session.batch) % BATCH_MAX + 1:06d}"


def working_keys(exported: list[tuple[bytes, bytes]]) -> WorkingKeys:
    """Encrypted keys and check values, in the order of DE62."""
    (pik, pik_check), (mak, mak_check), *tdk = exported
    track, track_check = tdk[0] if tdk else (None, None)
    return WorkingKeys(pik, pik_check, mak, mak_check, track, track_check)


def sign_on_answer(message: Message, batch: str, keys: bytes, turn: Turn, policy: Policy) -> Message:
    """0810."""
    answer = bare_answer(message, responses.APPROVED, turn.now_us, policy)
    answer.fields[37] = rrn_of(turn.log, turn.number)
    answer.fields[60] = MESSAGE_TYPE_NETWORK + batch + message.get(60)[8:11]
    answer.fields[62] = keys
    answer.fields[12], answer.fields[13] = hhmmss(turn.now_us, policy.zone), mmdd(turn.now_us, policy.zone)
    return answer
