"""The benchmark's installation is one that the parties take, and its terminals are served in it."""

import asyncio
from typing import cast

import pytest

from holdfast.bench import authorize
from holdfast.bench.authorize import issuer_rows, rows_of
from holdfast.bench.installation import ISSUER_ID, TERMINALS, acquirer_rows, card_number
from holdfast.bench.load import LoadTerminal
from holdfast.domain.records import TERMINALS as TERMINAL_ROWS
from holdfast.domain.rules import parse_rules
from holdfast.edges import sample
from holdfast.ids import luhn_valid
from holdfast.parties.step import Received
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import frame
from tests.reading.town import MemoryGround, Town, Wire

CARDS = 50


class Line(asyncio.Transport):
    """A terminal's connection to the acquirer of a town."""

    def __init__(self, town: Town, terminal: LoadTerminal) -> None:
        self.town = town
        self.link = town._links[0].add(Wire(UNIONPAY, lambda body: terminal.data_received(frame(body))))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.town.acquirers[0].offer(Received(self.link, "", decode(UNIONPAY, bytes(data)[2:])))


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> MemoryGround:
    """Where a town has the benchmark's installation in place of the sample."""
    monkeypatch.setattr(authorize, "CARDS", CARDS)
    monkeypatch.setattr("holdfast.bench.load.CARDS", CARDS)
    monkeypatch.setattr(sample, "for_acquirer", acquirer_rows)
    monkeypatch.setattr(sample, "for_issuer", issuer_rows)
    monkeypatch.setattr("tests.reading.town.ISSUERS", (ISSUER_ID,))
    return MemoryGround()


async def test_a_terminal_under_load_is_approved(ground: MemoryGround) -> None:
    town = await Town.built(ground)
    reader = await ground.reader("acquirer")
    assert len(await reader.select(TERMINAL_ROWS, {})) == TERMINALS
    latencies: list[float] = []
    approved = [0]
    terminal = LoadTerminal(0, float("inf"), latencies, approved)
    terminal.connection_made(cast(asyncio.BaseTransport, Line(town, terminal)))
    for _ in range(60):
        await town.acquirers[0].turn(False)
        await town.issuer.turn(False)
    terminal.until = 0.0
    await town.settle()
    assert len(latencies) >= 20
    assert (approved[0], terminal.done.done()) == (len(latencies), True)


def test_the_rows_say_rules_as_text() -> None:
    (merchant,) = acquirer_rows("here")["merchants"]
    assert parse_rules(merchant["rules"]) == {}
    assert all(luhn_valid(card_number(number)) for number in range(100))


def test_medians_and_ratios() -> None:
    rounds = [{"approved": n * 100.0, "seconds": 1.0, "p50": n, "p99": 2 * n} for n in (3.0, 1.0, 2.0)]
    naive, rate, p50, p99 = rows_of(400.0, {"acquirer": rounds})
    assert (naive.value, naive.ratio) == (400.0, None)
    assert (rate.what, rate.value, rate.baseline, rate.ratio) == ("acquirer", 200.0, 400.0, 0.5)
    assert [(row.what, row.value, row.unit) for row in (p50, p99)] == [
        ("acquirer p50", 2.0, "ms"),
        ("acquirer p99", 4.0, "ms"),
    ]
