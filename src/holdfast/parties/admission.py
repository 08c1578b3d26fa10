"""Who may be heard at all: terminal known, signed on, MAC right. And how a terminal signs on.

A message with a wrong MAC has not been received: it is answered (97, 77 or A0, without a MAC) and recorded nowhere.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from holdfast.clock import hhmmss, local_date, mmdd
from holdfast.domain import responses
from holdfast.domain.commands import (
    DOWNLOAD,
    MESSAGE_TYPE_NETWORK,
    SIGN_OFF,
    SIGN_ON,
    SIGN_ON_DOUBLE,
    SIGN_ON_SINGLE,
    SIGN_ON_SM4,
    SIGN_ON_TRACK,
)
from holdfast.domain.policy import Policy
from holdfast.domain.records import (
    MERCHANTS,
    REQUESTS,
    SCHEMES,
    SESSIONS,
    SESSIONS_TO_CHANGE,
    TERMINALS,
    Merchant,
    Session,
    Terminal,
)
from holdfast.domain.rules import EVERYWHERE, Rules
from holdfast.domain.tables import Find, Table, put
from holdfast.ids import rrn_of
from holdfast.parties.chain_check import missing_entry
from holdfast.parties.proving import prove
from holdfast.parties.ruling import rules_for, wants_of_rules
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
from holdfast.parties.translate import MAC_TO_COME, bare_answer
from holdfast.wire import chain
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.header import DOWNLOAD_PARAMETERS, NOTHING, SIGN_ON_AGAIN
from holdfast.wire.message import Message
from holdfast.wire.security import WorkingKeys, mac_block, pack_working_keys

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
        return mak or self.session.mak, self.session.mac_algorithm

    def too_late(self, turn: Turn) -> bool:
        """Whether the MAC held only under a key whose time is over."""
        return self.under_previous_key and turn.now_us >= self.session.previous_until_us


def admit(event: Received, *also: Want, sessions: Table = SESSIONS) -> Reads[tuple[Admitted | str, tuple[Any, ...]]]:
    """Admit a terminal's message, or say the code it is refused with; `also` are wants to be answered on the way.

    `sessions` is SESSIONS_TO_CHANGE for who changes the session. A message under the newest key proves the sign-on that
    gave it; without a MAC, or under the key before, it is one of the session as it was proven before.
    """
    message = event.message
    terminal_id = message.get(41)
    terminal, session, *others = yield (RowOf(TERMINALS, terminal_id), RowOf(sessions, terminal_id), *also)
    if terminal is None or not terminal.enabled:
        return responses.UNKNOWN_TERMINAL, ()
    if session is None:
        return responses.SIGN_ON_AGAIN, ()
    if MAC_FIELD not in message.fields:
        return responses.MAC_ERROR, ()
    block, mac = mac_block(UNIONPAY, message.raw), message.get(MAC_FIELD)
    holds, merchant = yield (
        verify_mac(session.mak, session.mac_algorithm, block, mac),
        RowOf(MERCHANTS, terminal.merchant_id),
    )
    if holds and session.unproven_batch:
        proven = yield from prove(session, terminal)
        if proven is None:
            return responses.MAC_ERROR, ()
        return Admitted(terminal, merchant, proven, proven.mak != session.mak), tuple(others)
    if holds:
        return Admitted(terminal, merchant, session, False), tuple(others)
    if session.previous_mak is not None:
        (holds,) = yield (verify_mac(session.previous_mak, session.mac_algorithm, block, mac),)
        if holds:
            return Admitted(terminal, merchant, session, True), tuple(others)
    return responses.MAC_ERROR, ()


def admit_unsealed(
    event: Received, *also: Want, sessions: Table = SESSIONS
) -> Reads[tuple[Admitted | str, tuple[Any, ...]]]:
    """Admit a message of a type that bears no MAC (settlement, upload); one that bears a MAC all the same must hold."""
    if MAC_FIELD in event.message.fields:
        return (yield from admit(event, *also, sessions=sessions))
    terminal_id = event.message.get(41)
    terminal, session, *others = yield (RowOf(TERMINALS, terminal_id), RowOf(sessions, terminal_id), *also)
    if terminal is None or not terminal.enabled:
        return responses.UNKNOWN_TERMINAL, ()
    if session is None:
        return responses.SIGN_ON_AGAIN, ()
    (merchant,) = yield (RowOf(MERCHANTS, terminal.merchant_id),)
    return Admitted(terminal, merchant, session, False), tuple(others)


def admit_about_batch(
    event: Received, *also: Want, sessions: Table = SESSIONS
) -> Reads[tuple[Admitted | str, tuple[Any, ...]]]:
    """Admit a settlement or an upload: without a MAC only by rule, and never for a terminal that seals its own."""
    admitted, read = yield from admit_unsealed(event, *also, RowOf(SCHEMES, EVERYWHERE), sessions=sessions)
    if isinstance(admitted, str):
        return admitted, ()
    *others, everywhere = read
    rules = rules_for("", admitted.merchant, (everywhere, None, None))
    sealed = admitted.session.seals_batches or rules.batch_messages == "sealed"
    if sealed and MAC_FIELD not in event.message.fields:
        return responses.MAC_ERROR, ()
    return admitted, tuple(others)


def seal_of(event: Received, admitted: Admitted) -> Seal | None:
    """The answer to a message without a MAC bears none."""
    return admitted.seal if MAC_FIELD in event.message.fields else None


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


KEY_SIZES = {SIGN_ON_SINGLE: (8, 0), SIGN_ON_DOUBLE: (16, 0), SIGN_ON_TRACK: (16, 16), SIGN_ON_SM4: (16, 16)}
"""60.3 -> bytes of the PIN key and of the track key (domain.md §5)."""

MAK_BYTES = {"ecb": 8, "cbc": 8, "x919": 16, "cmac": 16, "sm4": 16}
"""Bytes of the MAC key, by the algorithm that a terminal seals with."""


def sign_on(event: Received, policy: Policy, ended: Mapping[str, int]) -> Decision:
    """0800: fresh working keys under the terminal's master key, and the batch.

    A terminal whose journal we do not know (its device was replaced; or it was restored, and its next message is no
    later than the last we saw in this batch) is told a new batch, so that its trace numbers name new requests. What a
    former device had not sent may be lost; one that was told an entry which this register lacks shows that the register
    was cut or restored. But anybody can say such things: all of it waits until it is proven (`proving`).
    """
    message = event.message
    terminal_id, wanted = message.get(41), message.get(60)[8:11]
    terminal, session = yield RowOf(TERMINALS, terminal_id), RowOf(SESSIONS_TO_CHANGE, terminal_id)
    if terminal is None or not terminal.enabled or not fits(wanted, terminal):
        (turn,) = yield (TURN,)
        code = responses.UNKNOWN_TERMINAL if terminal is None or not terminal.enabled else responses.FORMAT_ERROR
        return turned_away(event, code, turn, policy)
    batch_id = f"{terminal_id}/{session.batch if session else ''}"
    keys, exported = yield from fresh_keys(terminal, wanted)
    (merchant,) = yield (RowOf(MERCHANTS, terminal.merchant_id),)
    seen, *schemes = yield (Find(REQUESTS, (("batch_id", batch_id),), 1), *wants_of_rules("", merchant))
    (turn,) = yield (TURN,)
    link = chain.parse_request(message.get(CHAIN_FIELD))
    rules = rules_for("", merchant, schemes)
    batch = session.batch if session else next_batch(None, rules, turn, policy)
    told, lost = batch, missing_entry(link.last_entry, turn, ended) if link else None
    other = link is not None and (session is None or session.journal != link.link)
    behind = link is not None and bool(seen) and link.sequence <= seen[0].sequence
    if behind or (other and session is not None and session.journal):
        told = next_batch(batch, rules, turn, policy)
    # Anybody can send a sign-on without a link: what was sealed before says more than that.
    seals = session is not None and session.seals_batches
    if link is None and seen:
        seals = seen[0].sequence > 0
    proven = not (other or behind or lost)
    seals = seals or (link is not None and proven)
    named = link.link if link else ""
    missing = f"{link.last_entry}|{lost}" if link and lost else ""
    fresh = Fresh(terminal, session, batch, told, keys, exported, seals, named, proven, missing)
    return signed_on(event, fresh, turn, policy)


def fits(wanted: str, terminal: Terminal) -> bool:
    """Whether there is room in that form of DE62 for the MAC key of this terminal."""
    return wanted in KEY_SIZES and MAK_BYTES[terminal.mac_algorithm] <= KEY_SIZES[wanted][0]


class Fresh(NamedTuple):
    """What a sign-on gives a terminal: the batch that it is told, and the keys of the session, wrapped and made ready.

    `batch` is the one that was proven, `journal` what names its journal, `missing` an entry that it was told and that
    is not here, and why ("entry|why"), '' for none.
    """

    terminal: Terminal
    session: Session | None
    batch: str
    told: str
    keys: tuple[bytes, bytes]
    exported: list[tuple[bytes, bytes]]
    seals_batches: bool
    journal: str
    proven: bool
    missing: str


def fresh_keys(terminal: Terminal, wanted: str) -> Reads[tuple[tuple[bytes, bytes], list[tuple[bytes, bytes]]]]:
    """PIN key and MAC key, wrapped, and all keys in the order of DE62 under the terminal's master key."""
    pin_size, track_size = KEY_SIZES[wanted]
    wants: tuple[Want, ...] = (
        new_working_key("pik", pin_size),
        new_working_key("mak", MAK_BYTES[terminal.mac_algorithm]),
    )
    pik, mak, *tdk = yield (*wants, new_working_key("tdk", track_size)) if track_size else wants
    cipher = "sm4" if terminal.mac_algorithm == "sm4" else "des"
    exported = yield tuple(export_under(terminal.tmk, key, cipher) for key in (pik, mak, *tdk))
    return (pik, mak), list(exported)


def signed_on(event: Received, fresh: Fresh, turn: Turn, policy: Policy) -> Step:
    """The session as it is from now on, its entry, and the answer."""
    message, session, (pik, mak) = event.message, fresh.session, fresh.keys
    operator = message.get(63)[:2].strip()
    after = Session(
        fresh.terminal.terminal_id,
        fresh.batch,
        True,
        operator,
        mak,
        pik,
        session.mak if session else None,
        turn.now_us + policy.previous_mak_us,
        turn.now_us,
        fresh.terminal.mac_algorithm,
        fresh.seals_batches,
        session.journal if session else "",
        session.former_journal if session else "",
    )
    if not fresh.proven:
        after = after._replace(
            unproven_batch=fresh.told,
            unproven_journal=fresh.journal,
            unproven_entry=turn.entry,
            unproven_missing=fresh.missing,
        )
    facts = {
        "phase": "recorded",
        "terminal_id": after.terminal_id,
        "merchant_id": fresh.terminal.merchant_id,
        "actor": operator or "terminal",
        "batch_number": fresh.told,
        "journal_known": fresh.told == (session.batch if session else ""),
        "journal": fresh.journal or None,
    }
    answer = sign_on_answer(message, fresh.told, pack_working_keys(working_keys(fresh.exported)), turn, policy)
    terminal, writes = fresh.terminal, [put(SESSIONS, after)]
    if terminal.notice == SIGN_ON_AGAIN:
        terminal = terminal._replace(notice=NOTHING)
        writes.append(put(TERMINALS, terminal))
    answer.processing_request = terminal.notice if terminal.notice != NOTHING else ""
    return Step((turn.record(SIGN_ON, facts),), tuple(writes), (Outgoing(event.link, answer),))


def next_batch(batch: str | None, rules: Rules, turn: Turn, policy: Policy) -> str:
    """The number of the batch that opens: one more than the last, or, by rule, the date where that is later."""
    following = FIRST_BATCH if batch is None else int(batch) % BATCH_MAX + 1
    if rules.batch_numbers == "date":
        following = max(following, int(local_date(turn.now_us, policy.zone).strftime("%y%m%d")))
    return f"{following:06d}"


def sign_off(event: Received, policy: Policy) -> Decision:
    """0820/002: no business before the next sign-on. Keys stay, for what is still under way."""
    message = event.message
    admitted, _ = yield from admit_unsealed(event, sessions=SESSIONS_TO_CHANGE)
    (turn,) = yield (TURN,)
    if isinstance(admitted, str):
        return turned_away(event, admitted, turn, policy)
    facts = {
        "phase": "recorded",
        "terminal_id": admitted.terminal.terminal_id,
        "merchant_id": admitted.terminal.merchant_id,
        "actor": message.get(63)[:2].strip() or admitted.session.operator or "terminal",
        "batch_number": admitted.session.batch,
    }
    answer = bare_answer(message, responses.APPROVED, turn.now_us, policy)
    answer.fields[37] = rrn_of(turn.log, turn.number)
    session = admitted.session._replace(signed_on=False)
    sends = (Outgoing(event.link, answer),)
    return Step((turn.record(SIGN_OFF, facts),), (put(SESSIONS, session),), sends)


def download(event: Received, policy: Policy) -> Decision:
    """0800/360: the parameters of a terminal, as its merchant's rules have them; then nothing more is asked of it."""
    message = event.message
    admitted, schemes = yield from admit_unsealed(event, *wants_of_rules("", None))
    (turn,) = yield (TURN,)
    if isinstance(admitted, str):
        return turned_away(event, admitted, turn, policy)
    terminal, merchant = admitted.terminal, admitted.merchant
    rules = rules_for("", merchant, schemes)
    told = {
        "merchant_name": merchant.name if merchant else "",
        "merchant_name_en": merchant.name_en if merchant else "",
        "keyed": rules.keyed,
        "fallback": rules.fallback,
        "floor_minor": str(rules.floor_minor),
    }
    text = "|".join(("HP1", *(f"{name}={value}" for name, value in told.items())))
    answer = bare_answer(message, responses.APPROVED, turn.now_us, policy)
    answer.fields[37] = rrn_of(turn.log, turn.number)
    answer.fields[62] = text.encode("gbk", "replace")
    seal = seal_of(event, admitted)
    if seal is not None:
        answer.fields[MAC_FIELD] = MAC_TO_COME
    facts = {
        "phase": "recorded",
        "terminal_id": terminal.terminal_id,
        "merchant_id": terminal.merchant_id,
        "actor": "terminal",
        "told": told,
    }
    writes = (put(TERMINALS, terminal._replace(notice=NOTHING)),) if terminal.notice == DOWNLOAD_PARAMETERS else ()
    return Step((turn.record(DOWNLOAD, facts),), writes, (Outgoing(event.link, answer, seal),))


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
