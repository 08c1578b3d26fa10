"""A network that is not ours, between the acquirer and a foreign issuer: what it makes of questions and of answers.

What it makes of a message is sealed as the issuer's own would be: to the acquirer it is the issuer. A question always
reaches the issuer, so that what the network says and what the issuer booked may be two things.

    late, twice, in part, 98   its ways with an answer
    again     a copy of a question, or its repeat, reaches the issuer under a number of the network's own: it is booked
              once more, as by an issuer that knows no copies, and whose answer comes first is taken for the answer
    forgets   what the issuer approved, and the acquirer was told, the network undoes by a reversal of its own
"""

from functools import partial

from holdfast.ids import entry_id
from holdfast.parties.exchange import ACQUIRER_ID, EXCHANGE_FIELD, Exchange, pack, parse
from holdfast.sim.faults import (
    FOREIGN_98,
    FOREIGN_AGAIN,
    FOREIGN_FORGETS,
    FOREIGN_LATE,
    FOREIGN_PART,
    FOREIGN_TWICE,
    Faults,
)
from holdfast.sim.keys import SimKeys
from holdfast.sim.labels import ISSUER_DOUBLED, ISSUER_FORGOT, Labels
from holdfast.sim.network import End, Received
from holdfast.sim.scheduler import Scheduler
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.framing import frame as framed
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, put_mac

MAC_ALGORITHM = "x919"
LATE_S = (8.0, 90.0)
"""An acquirer is patient for twelve seconds."""
TWICE_S = (0.0, 30.0)
AGAIN_S = (0.0, 20.0)
FORGETS_S = (1.0, 300.0)
LENGTH_BYTES = 2
QUESTIONS = ("0100", "0200", "0220", "0221")
ANSWERS_OF_QUESTIONS = ("0110", "0210")
ANSWERS = (*ANSWERS_OF_QUESTIONS, "0230")
UNDO_MTI, UNDO_ANSWER_MTI = "0420", "0430"
APPROVED = "00"
RESERVED = ("10", "11", "A2", "A4", "A5", "A6")
SILENT = "98"
OWN_LOG = "ZZ"
"""Exchanges that the network opens by itself are numbered like entries of a log that no acquirer has."""
UNDO_FIELDS = (2, 3, 4, 7, 11, 25, 32, 37, 41, 42, EXCHANGE_FIELD, 49)


class ForeignNetwork:
    """Stands at the issuer's end of each connection that leads to one issuer."""

    def __init__(self, scheduler: Scheduler, faults: Faults, labels: Labels, keys: SimKeys, zone_mac: bytes) -> None:
        self._scheduler = scheduler
        self._faults = faults
        self._labels = labels
        self._keys = keys
        self._zone_mac = keys.import_key("zone-mac", zone_mac)
        self._again: dict[str, Exchange] = {}
        """Exchanges of our own, and which of the acquirer's they stand for."""
        self._undoing: set[str] = set()
        """Exchanges that we are undoing by ourselves: the answer is for us."""

    def stand_at(self, end: End) -> None:
        """From now on between the issuer and this end of its connection."""
        end.received = partial(self._asks, end, end.received)
        end.between = partial(self._answers, end)

    # --- questions ------------------------------------------------------------------------------------------------

    def _asks(self, end: End, ask: Received, body: bytes) -> None:
        ask(body)
        if self._faults.strikes(FOREIGN_AGAIN):
            self._ask_again(end, ask, decode(ASCII_1987, body))

    def _ask_again(self, end: End, ask: Received, question: Message) -> None:
        exchange = parse(question.get(EXCHANGE_FIELD))
        if question.mti not in QUESTIONS or exchange is None or not exchange.hold_id:
            return
        own_id = entry_id(OWN_LOG, len(self._again) + 1)
        self._again[own_id] = exchange
        # A hold bears the name of the exchange that placed it.
        hold_id = own_id if exchange.hold_id == exchange.exchange_id else exchange.hold_id
        named = exchange._replace(exchange_id=own_id, hold_id=hold_id)
        again = self._sealed(Message(question.mti, {**question.fields, EXCHANGE_FIELD: pack(named)}))
        self._scheduler.after(self._faults.between(*AGAIN_S), partial(self._passes_on, end, ask, again, named))

    def _passes_on(self, end: End, ask: Received, question: bytes, own: Exchange) -> None:
        if end.open and self._faults.rate(FOREIGN_AGAIN) > 0:
            self._scheduler.note(f"again {own.exchange_id}")
            meant = self._again[own.exchange_id]
            self._label(ISSUER_DOUBLED, meant.trace_key, meant.hold_id, own.hold_id)
            ask(question)

    def _label(self, cause: str, *about: str) -> None:
        for each in about:
            self._labels.put(each, cause)

    # --- answers --------------------------------------------------------------------------------------------------

    def _answers(self, end: End, frame: bytes) -> list[tuple[int, bytes]]:
        if self._again or self._undoing:
            own = self._of_our_own(decode(ASCII_1987, frame[LENGTH_BYTES:]))
            if own is not None:
                return [each for answer in own for each in self.between(answer)]
        if self._faults.strikes(FOREIGN_FORGETS):
            self._forget(end, decode(ASCII_1987, frame[LENGTH_BYTES:]))
        return self.between(frame)

    def _of_our_own(self, answer: Message) -> list[bytes] | None:
        """What the acquirer is told of an answer to what we asked by ourselves; None when he asked it."""
        exchange = parse(answer.get(EXCHANGE_FIELD))
        if exchange is None:
            return None
        approved = answer.get(39) == APPROVED
        if answer.mti == UNDO_ANSWER_MTI and exchange.exchange_id in self._undoing:
            self._undoing.remove(exchange.exchange_id)
            if approved:
                self._faults.count(FOREIGN_FORGETS)
            return []
        meant = self._again.get(exchange.exchange_id)
        if meant is None:
            return None
        if approved:
            self._faults.count(FOREIGN_AGAIN)
        return [framed(self._sealed(Message(answer.mti, {**answer.fields, EXCHANGE_FIELD: pack(meant)})))]

    def _forget(self, end: End, answer: Message) -> None:
        """What it just approved is undone a little later."""
        exchange = parse(answer.get(EXCHANGE_FIELD))
        if answer.mti not in ANSWERS or answer.get(39) != APPROVED or exchange is None or not exchange.hold_id:
            return
        fields = {number: answer.fields[number] for number in UNDO_FIELDS if number in answer.fields}
        original = answer.mti[:2] + str(int(answer.mti[2]) - 1) + answer.mti[3] + answer.get(11) + answer.get(7)
        fields[90] = original + ACQUIRER_ID.zfill(11) + "0" * 11
        undo = self._sealed(Message(UNDO_MTI, fields))
        self._scheduler.after(self._faults.between(*FORGETS_S), partial(self._undo, end, undo, exchange))

    def _undo(self, end: End, undo: bytes, exchange: Exchange) -> None:
        if end.open and self._faults.rate(FOREIGN_FORGETS) > 0:
            self._scheduler.note(f"forgets {exchange.exchange_id}")
            self._label(ISSUER_FORGOT, exchange.trace_key, exchange.hold_id)
            self._undoing.add(exchange.exchange_id)
            end.received(undo)

    def between(self, frame: bytes) -> list[tuple[int, bytes]]:
        """What becomes of one answer of the issuer."""
        faults = self._faults
        if faults.strikes(FOREIGN_98):
            faults.count(FOREIGN_98)
            frame = self._saying(frame, SILENT)
        elif faults.strikes(FOREIGN_PART):
            frame = self._in_part(frame)
        sent = [(0, frame)]
        if faults.strikes(FOREIGN_LATE):
            faults.count(FOREIGN_LATE)
            sent = [(faults.between(*LATE_S), frame)]
        if faults.strikes(FOREIGN_TWICE):
            faults.count(FOREIGN_TWICE)
            sent.append((sent[0][0] + faults.between(*TWICE_S), frame))
        return sent

    def _in_part(self, frame: bytes) -> bytes:
        message = decode(ASCII_1987, frame[LENGTH_BYTES:])
        if message.mti not in ANSWERS_OF_QUESTIONS or message.get(39) != APPROVED:
            return frame
        self._faults.count(FOREIGN_PART)
        return self._saying(frame, self._faults.dice.choice(RESERVED))

    def _saying(self, frame: bytes, code: str) -> bytes:
        message = decode(ASCII_1987, frame[LENGTH_BYTES:])
        return framed(self._sealed(Message(message.mti, {**message.fields, 39: code})))

    def _sealed(self, message: Message) -> bytes:
        message.fields[128] = "0" * 8
        body = encode(ASCII_1987, message)
        return put_mac(body, self._keys.mac(self._zone_mac, MAC_ALGORITHM, mac_block(ASCII_1987, body)))
