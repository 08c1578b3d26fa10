"""A terminal whose journal loses its end, in the words of a story; the register is beside it.

    places 500.00            the terminal's answer; requests are numbered in the order in which they are asked: R1, R2 …
    completes R1 460.50      by the code of the slip; also increments, advises, voids R1, sells, refunds R2 10.00
    takes-back               the chip refused the last answer
    settles
    issuer 51                what it answers from now on
    line answers-lost        or lost, good; or held: what is sent arrives later, with `arrives`
    wait 30 seconds
    loses 2                  so many entries at the end of the journal; the file is mended
    tears 2                  the same, and the card numbers are lost with it
    signs-on, rebuilds       the terminal's answer
    quiet                    the line is good, and everything that waits has its turn

Names after the arrow: `R1.belief` the terminal's, `R1.register` the acquirer's outcome; `batch`, `recovered` (when it
was last rebuilt), `mending` yes or no, `reversal` what waits to be reversed, `findings`, `last` the last receipt.
"""

from collections.abc import Callable
from typing import Any

from holdfast.domain.commands import BY_NAME
from holdfast.domain.records import REQUESTS, SALES, Request, Sale
from holdfast.money import parse_amount
from holdfast.wire.message import Message
from tests.parties.pos_world import CARD, LINK, Line, PosWorld, answers_lost, let_through, lost
from tests.parties.torn import mended

ASKED = {
    "places": "pre-auth",
    "increments": "increment",
    "completes": "complete",
    "advises": "advise",
    "voids": "void",
    "voids-completion": "void-completion",
    "sells": "sale",
    "refunds": "refund",
}
AGREED = frozenset({"voids", "voids-completion", "refunds"})
SIMPLE = {"settles": "settle", "signs-on": "sign-on", "rebuilds": "rebuild"}


class MendingDesk:
    """One world, and the requests that were asked in it."""

    def __init__(self) -> None:
        self.codes = 0
        self.refuses = ""
        self.world = PosWorld()
        self.world.judge = self.consents
        self.world.approved("sign-on")
        self.keys: list[str] = []
        self.receipts: set[str] = set()
        """Trace keys that somebody holds an approved slip of."""
        self.held: list[Message] = []
        self.recovered = ""
        self.lines: dict[str, Line] = {
            "good": let_through,
            "lost": lost,
            "answers-lost": answers_lost,
            "held": self.holds_back,
        }
        self.acts: dict[str, Callable[[list[str]], str]] = {
            "takes-back": self.takes_back,
            "issuer": self.changes_issuer,
            "line": self.changes_line,
            "arrives": self.arrives,
            "wait": self.waits,
            "loses": lambda said: self.loses(int(said[0])),
            "tears": lambda said: self.loses(int(said[0]), cards=False),
            "quiet": self.quietens,
        }

    def consents(self, message: Message) -> tuple[str, str]:
        """The issuer gives each hold a code of its own."""
        if message.get(38) or self.refuses:
            return self.refuses or "00", message.get(38)
        self.codes += 1
        return "00", f"{self.codes:06d}"

    # --- what a story does ----------------------------------------------------------------------------------------

    def act(self, words: list[str]) -> str:
        """One step; -> the terminal's answer, 'none' while it is waited for."""
        verb, *said = words
        if verb in ASKED:
            return self.asks(verb, said)
        if verb in SIMPLE:
            outcome = self.world.command(SIMPLE[verb])
            if verb == "rebuilds" and outcome is not None:
                self.recovered = str(outcome.get("recovered", "-"))
            return self.told(outcome)
        return self.acts[verb](said)

    def asks(self, verb: str, said: list[str]) -> str:
        arguments: dict[str, Any] = {"card": CARD}
        for word in said:
            if word.startswith("R"):
                arguments |= self.meant(word, by_rrn=verb == "refunds")
            else:
                arguments["amount_minor"] = parse_amount(word)
        if verb in AGREED:
            arguments["supervisor"] = "00"
        before = set(self.world.terminal.rows[SALES])
        outcome = self.world.command(ASKED[verb], **arguments)
        asked = set(self.world.terminal.rows[SALES]) - before
        self.keys += sorted(str(key) for key in asked if not str(key).endswith("/0400"))
        if outcome is not None and outcome["outcome"] == "approved":
            self.receipts.add(outcome["trace_key"])
        return self.told(outcome)

    def registered(self, number: int) -> Request | None:
        """The register's row of the request with this number."""
        row: Request | None = self.world.acquirer.rows[REQUESTS].get(self.keys[number - 1])
        return row

    def meant(self, name: str, by_rrn: bool) -> dict[str, str]:
        """What the cashier reads on the slip of a request."""
        key = self.keys[int(name[1:]) - 1]
        request = self.world.acquirer.rows[REQUESTS][key]
        if by_rrn:
            return {"rrn": request.rrn}
        return {"authorization_code": request.authorization_code or ""}

    def takes_back(self, said: list[str]) -> str:
        key = self.world.device.last_receipt
        self.receipts.discard(key)
        return self.told(self.world.command("reverse", trace_key=key))

    def changes_issuer(self, said: list[str]) -> str:
        self.refuses = "" if said[0] == "00" else said[0]
        return ""

    def changes_line(self, said: list[str]) -> str:
        self.world.line = self.lines[said[0]]
        return ""

    def holds_back(self, to: str, message: Message) -> list[Message]:
        if to == "acquirer":
            self.held.append(message)
        return []

    def arrives(self, said: list[str]) -> str:
        """What was held back reaches the acquirer; who sent it is not on that line any more."""
        for message in self.held:
            self.world.at_acquirer_from(LINK + 1, message)
        self.held.clear()
        return ""

    def waits(self, said: list[str]) -> str:
        self.world.later(float(said[0]))
        return ""

    def loses(self, lost_n: int, cards: bool = True) -> str:
        mended(self.world, lost_n, cards)
        return ""

    def quietens(self, said: list[str]) -> str:
        self.world.quieten()
        return ""

    @staticmethod
    def told(outcome: dict[str, Any] | None) -> str:
        return "none" if outcome is None else str(outcome["outcome"])

    # --- what a story looks at ------------------------------------------------------------------------------------

    def look(self, name: str) -> str:
        """The value of a name now."""
        device = self.world.device
        if name.startswith("R"):
            number, _, which = name.partition(".")
            key = self.keys[int(number[1:]) - 1]
            return self.belief(key) if which == "belief" else self.world.at_acquirer(key) or "unseen"
        values = {
            "batch": device.batch,
            "recovered": self.recovered,
            "mending": "yes" if device.mending else "no",
            "reversal": device.reversal or "none",
            "findings": str(sum(said["kind"] == "finding" for said in self.world.acquirer.book)),
            "last": device.last_receipt,
        }
        return values[name]

    def belief(self, key: str) -> str:
        sale: Sale | None = self.world.terminal.rows[SALES].get(key)
        return "gone" if sale is None else sale.outcome

    def agree(self) -> None:
        """Terminal and register say the same of every request, and every slip that said approved is in force."""
        requests = self.world.acquirer.rows[REQUESTS]
        business = {key for key, row in requests.items() if row.kind in BY_NAME}
        own = {sale.trace_key: sale for sale in self.world.terminal.rows[SALES].values() if sale.batch}
        for key in sorted(business | set(own)):
            stands = self.world.at_acquirer(str(key)) in ("approved", "claimed")
            believed = own[key].outcome if key in own else "gone"
            assert (believed == "approved") == stands, (key, believed, self.world.at_acquirer(str(key)))
            assert believed in ("approved", "declined", "reversed") or not stands, (key, believed)
            assert key not in self.receipts or stands, f"a slip says that {key} is approved"
            if stands:
                row = requests[key]
                assert (own[key].amount_minor, own[key].card) == (row.amount_minor, row.card)
