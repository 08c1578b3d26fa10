"""The clock is advanced between a question and its answer: the answer is late then, at any point of a batch."""

import pytest

from holdfast.clock import DAY_US
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_LOGS, REQUESTS
from holdfast.domain.tables import DUE
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.step import Received
from holdfast.runtime.engine import Engine
from holdfast.store.memory import MemoryStore
from holdfast.wire.codec import decode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from tests.runtime.acquirer_bench import ISSUER, AcquirerBench, card, run


class Advanced:
    """A bench whose clock somebody advances, before a batch or in the middle of it."""

    def __init__(self) -> None:
        self.bench = AcquirerBench()
        self.leaps = 0
        self.leaps_at = ""
        store = MemoryStore(self.bench.database, self.pause)
        clock = (lambda: self.bench.now_us, lambda event, **facts: None)
        party, holder = Acquirer(Policy()), "bench"
        self.bench.engine = Engine(
            party, store, self.bench.keys, self.bench.links, *clock, holder, ACQUIRER_LOGS, lambda: self.leaps
        )
        run(self.bench.engine.take())

    async def pause(self, point: str) -> None:
        """Where the store would have others run."""
        if point == self.leaps_at:
            self.advance()

    def advance(self) -> None:
        """A month passes at once."""
        self.leaps_at = ""
        self.bench.now_us += 31 * DAY_US
        self.leaps += 1


@pytest.mark.parametrize("when", ["before", "fetch", "write", "commit"])
def test_an_answer_beside_the_jump_is_late(when: str) -> None:
    advanced = Advanced()
    bench = advanced.bench
    terminal, pipe, link = bench.terminal()
    bench.engine.offer(Received(link, "", decode(UNIONPAY, terminal.pre_auth(card(1), 500_00))))
    run(bench.engine.turn(False))
    (question,) = bench.issuer.bodies
    pipe.bodies.clear()
    bench.issuer.bodies.clear()
    bench.engine.offer(Received(0, ISSUER, bench.answer_of(question, "00", "123456")))
    if when == "before":
        advanced.advance()
    advanced.leaps_at = when
    run(bench.engine.turn(False))
    (request,) = bench.rows(REQUESTS)
    codes = [decode(UNIONPAY, body).get(39) for body in pipe.bodies]
    if when in ("write", "commit"):
        assert (request.outcome, codes, advanced.leaps) == ("approved", ["00"], 1), "it was decided on before"
        return
    assert (request.outcome, codes, advanced.leaps) == ("unknown", ["98"], 1)
    assert [due.key.partition(":")[0] for due in bench.rows(DUE)] == ["undo"]
    run(bench.engine.turn(False))
    assert [decode(ASCII_1987, body).mti for body in bench.issuer.bodies] == ["0420"], "and undone at once"
