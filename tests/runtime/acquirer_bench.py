"""An acquirer on a memory store with an issuer in this process: for tests of the engine and of the acquirer's rules."""

from collections.abc import Callable, Coroutine
from typing import Any

from holdfast.clock import MINUTE_US
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_LOGS
from holdfast.domain.tables import Table
from holdfast.ids import luhn_valid
from holdfast.keys.file import FileKeys
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.exchange import answer_of_issuer
from holdfast.parties.step import Command, Received
from holdfast.runtime.engine import Engine
from holdfast.runtime.links import Links
from holdfast.store.interface import Store
from holdfast.store.memory import MemoryDatabase, MemoryStore
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, put_mac
from tests.standard_terminal import StandardTerminal

START_US = 1_795_000_000_000_000
TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
ZONE = bytes.fromhex("11223344556677888877665544332211")
ISSUER = "01020000"


def card(number: int, prefix: str = "622000") -> str:
    """A test card, of our one BIN if nothing else is said, its check digit right."""
    stem = f"{prefix}{number:09d}"
    return next(stem + str(digit) for digit in range(10) if luhn_valid(stem + str(digit)))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Drive a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for somebody else")


class Pipe:
    """A link whose frames are kept."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.tpdu = b""
        self.header = b""
        self.bodies: list[bytes] = []
        self.hung_up = False

    def hang_up(self) -> None:
        self.hung_up = True

    def write(self, frame: bytes) -> None:
        self.bodies.append(frame[2:])


class AcquirerBench:
    """One acquirer engine, terminals as wanted, an issuer that says what `judge` says (None: it stays silent)."""

    def __init__(self, store: Store | None = None) -> None:
        self.now_us = START_US
        self.keys = FileKeys(bytes(32), bytes(range(32)))
        self.links = self.new_links()
        self.database = MemoryDatabase(lambda: self.now_us / 1_000_000)
        self.said: list[str] = []
        self.asked: list[bytes] = []
        """Everything that the issuer received."""
        self.told_once: dict[int, str | bytes] = {}
        """What the issuer's answers carry besides: a balance, its word to the chip."""
        self.judge: Callable[[Message], tuple[str, str] | None] = lambda message: ("00", "123456")
        self.store = store or MemoryStore(self.database)
        self.engine = Engine(
            Acquirer(Policy()),
            self.store,
            self.keys,
            self.links,
            lambda: self.now_us,
            lambda event, **facts: self.said.append(f"{event} {facts}"),
            "bench",
            ACQUIRER_LOGS,
        )
        self.issuer = Pipe(ASCII_1987)
        self.links.add(self.issuer, ISSUER)
        run(self.engine.take())
        self.load()

    def new_links(self) -> Links:
        """The links of the engine."""
        return Links(self.keys)

    def load(self) -> None:
        """Two hotels with a terminal each (and one more of the first), one BIN, one issuer, one hot card."""
        merchant = {"name": "和平饭店", "name_en": "Peace Hotel", "mcc": "7011", "pre_auth_right": True, "rules": ""}
        ids = ("102100070110001", "102100070110002", "102100075120003")
        rights: tuple[dict[str, bool], ...] = ({}, {}, {"pre_auth_right": False})
        rows = {
            "merchants": [{"merchant_id": m, **merchant, **r} for m, r in zip(ids, rights, strict=True)],
            "terminals": [
                {"terminal_id": f"T000000{n}", "merchant_id": m, "tmk": TMK.hex()}
                for n, m in enumerate((ids[0], ids[0], ids[1], ids[2]), 1)
            ],
            "bins": [{"prefix": "622000", "issuer_id": ISSUER, "scheme": "CUP", "kind": "debit"}],
            "issuers": [
                {"issuer_id": ISSUER, "name": "One", "address": "", "zone_mac": ZONE.hex(), "zone_pin": ZONE.hex()}
            ],
            "hot_cards": [{"pan": card(41), "response_code": "41"}],
        }
        outcomes: list[Any] = []
        self.engine.offer(Command(self.links.add_caller(outcomes.append), "import", rows, "admin"))
        self.turn()
        assert outcomes[0]["ok"]

    def turn(self, claim: bool = False) -> None:
        """One batch, then the issuer's answers and the batch that takes them."""
        run(self.engine.turn(claim))
        while self.issuer.bodies or self.engine.waiting:
            while self.issuer.bodies:
                self.answer(self.issuer.bodies.pop(0))
            while self.engine.waiting:
                run(self.engine.turn(False))

    def answer(self, body: bytes) -> None:
        """The issuer's answer to one message, if it gives one."""
        self.asked.append(body)
        judged = self.judge(decode(ASCII_1987, body))
        if judged is not None:
            self.engine.offer(Received(0, ISSUER, self.answer_of(body, *judged)))

    def answer_of(self, body: bytes, code: str, authorization_code: str) -> Message:
        """An answer of the issuer to this message, as it comes in."""
        message = decode(ASCII_1987, body)
        answer = answer_of_issuer(message, code, authorization_code or None, self.now_us, Policy(), self.told_once)
        encoded = encode(ASCII_1987, answer)
        mac = self.keys.mac(self.zone_key, "x919", mac_block(ASCII_1987, encoded))
        return decode(ASCII_1987, put_mac(encoded, mac))

    @property
    def zone_key(self) -> bytes:
        """The zone key, wrapped anew: the same key."""
        return self.keys.import_key("zone-mac", ZONE)

    def terminal(self, number: int = 1, merchant: str = "102100070110001") -> tuple[StandardTerminal, Pipe, int]:
        """A standard terminal that has signed on, its link and the link's id."""
        terminal = StandardTerminal(f"T000000{number}", merchant, TMK)
        pipe = Pipe(UNIONPAY)
        link = self.links.add(pipe)
        assert terminal.take_keys(self.send(terminal.sign_on(), pipe, link)) == "00"
        return terminal, pipe, link

    def send(self, body: bytes, pipe: Pipe, link: int, claim: bool = False) -> bytes:
        """One message in, the newest answer out (b"" for none)."""
        pipe.bodies.clear()
        self.engine.offer(Received(link, "", decode(UNIONPAY, body)))
        self.turn(claim)
        return pipe.bodies[-1] if pipe.bodies else b""

    def rows(self, table: Table) -> list[Any]:
        """All rows of a table, by key."""
        rows = self.database.table(table).rows
        return [rows[key] for key in sorted(rows)]

    def later(self, minutes: float) -> None:
        """Time passes, and what is due happens."""
        self.now_us += int(minutes * MINUTE_US)
        self.turn(claim=True)
