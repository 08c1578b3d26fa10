"""What reaches an issuer, and how it answers: sealed by a zone key on the way in and on the way out.

A message that is not sealed by a link we know, or whose exchange cannot be read, has not been received: it is
recorded nowhere and answered by silence. What was received is answered once its entry is durable.
"""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.domain import ledger, responses
from holdfast.domain.commands import BY_NETWORK, Kind
from holdfast.domain.ledger import Rows
from holdfast.domain.policy import Policy
from holdfast.domain.records import ISSUER_LINKS, Answer, IssuerLink
from holdfast.domain.rules import Habits, habits_of
from holdfast.errors import BadInput, WireError
from holdfast.ids import mask_pan, parse_entry_id, without_repeat
from holdfast.parties.exchange import EXCHANGE_FIELD, MAC_ALGORITHM, MAC_FIELD, Exchange, answer_of_issuer, parse
from holdfast.parties.step import LinkId, Outgoing, Received, RowOf, Step, Turn, Want, entry_saying, verify_mac
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block

REFUSAL = "refusal"
"""The kind of an entry about what is no kind of request, or what we failed to decide."""

PAN_DIGITS_MIN = 12
"""A shorter number is no card, and its mask would show all of it."""


class Asked(NamedTuple):
    """A message that was received on link `to`, sealed with the keys of `zone`. No `kind` where there is none such."""

    to: LinkId
    message: Message
    exchange: Exchange
    zone: IssuerLink
    kind: Kind | None

    @property
    def entry_kind(self) -> str:
        """The kind of the entry that records it."""
        return self.kind.name if self.kind else REFUSAL

    @property
    def habits(self) -> Habits:
        """How this issuer behaves."""
        return habits_of(self.zone.habits)

    @property
    def amount_minor(self) -> int:
        """DE4, 0 where it is missing."""
        return int(self.message.get(4) or 0)


def receive(event: Received) -> Generator[tuple[Want, ...], Any, Asked | str]:
    """The message as `Asked`, or one line that says why it has not been received."""
    message = event.message
    exchange = parse(message.get(EXCHANGE_FIELD))
    if exchange is None or not _is_entry(exchange.exchange_id):
        return f"link {event.link}: {message.mti} names no exchange (DE48)"
    about = f"link {event.link}: {message.mti} about {exchange.exchange_id}"
    try:
        block = mac_block(ASCII_1987, message.raw)
    except WireError as error:
        return f"{about}: {error}"
    (zone,) = yield (RowOf(ISSUER_LINKS, exchange.issuer_id),)
    if zone is None:
        return f"{about}: issuer {exchange.issuer_id!r} is not served here"
    (holds,) = yield (verify_mac(zone.zone_mac, MAC_ALGORITHM, block, message.get(MAC_FIELD)),)
    if not holds:
        return f"{about}: its MAC is wrong"
    kind = BY_NETWORK.get((without_repeat(message.mti), message.get(3), message.get(25)))
    return Asked(event.link, message, exchange, zone, kind)


def _is_entry(exchange_id: str) -> bool:
    """An exchange is named by an entry of the acquirer's register: no other text may become a key of ours."""
    try:
        parse_entry_id(exchange_id)
    except BadInput:
        return False
    return True


def common_facts(asked: Asked) -> dict[str, Any]:
    """What every entry about an exchange says: no card number, track or PIN among it."""
    get, exchange = asked.message.get, asked.exchange
    return {
        "actor": "acquirer",
        "exchange_id": exchange.exchange_id,
        "trace_key": exchange.trace_key,
        "issuer": exchange.issuer_id,
        "card": mask_pan(get(2)) if len(get(2)) >= PAN_DIGITS_MIN else None,
        "amount": asked.amount_minor,
        "currency": get(49) or None,
        "rrn": get(37) or None,
        "terminal_id": get(41) or None,
        "merchant_id": get(42) or None,
    }


def book(kind: str, facts: Mapping[str, Any], known: Rows, turn: Turn) -> Step:
    """One entry, and the rows that follow from it; `known` are the rows that were read."""
    said = turn.said(kind, facts)
    return Step((entry_saying(said),), ledger.writes(known, ledger.changes(known, said)))


def book_and_answer(
    asked: Asked,
    kind: str,
    facts: Mapping[str, Any],
    known: Rows,
    turn: Turn,
    policy: Policy,
    also: Mapping[int, str | bytes] = MappingProxyType({}),
) -> Step:
    """The decision on a message: its entry, its rows, and the answer; `also` are fields of it that no entry holds."""
    code = facts["response_code"]
    answer = answer_of_issuer(asked.message, code, facts.get("authorization_code"), turn.now_us, policy, also)
    return book(kind, facts, known, turn)._replace(send=(_to_acquirer(asked, answer),))


def answer_again(asked: Asked, answer: Answer, policy: Policy) -> Step:
    """The first answer, as it was; nothing is recorded."""
    first = answer_of_issuer(asked.message, answer.response_code, answer.authorization_code, answer.at_us, policy)
    return Step(send=(_to_acquirer(asked, first),))


def duplicate(asked: Asked, answer: Answer, turn: Turn, policy: Policy) -> Step:
    """Another question under a known exchange id: declined, and what is known stays as it is."""
    facts = common_facts(asked) | {
        "phase": "duplicate",
        "outcome": ledger.DECLINED,
        "response_code": responses.DUPLICATE,
        "reason": f"entry {answer.entry} answered another question under this exchange id",
    }
    return book_and_answer(asked, asked.entry_kind, facts, {}, turn, policy)


def _to_acquirer(asked: Asked, answer: Message) -> Outgoing:
    return Outgoing(asked.to, answer, (asked.zone.zone_mac, MAC_ALGORITHM))
