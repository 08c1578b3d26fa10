"""The engine with the real acquirer on a memory store: one batch, its order, its conflicts, its failures."""

from holdfast.domain.records import HOLDS, REQUESTS
from holdfast.parties.step import Received
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from tests.runtime.acquirer_bench import AcquirerBench, card, run


def test_pre_auth_completion_and_the_second_completion() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    placed = terminal.read(bench.send(terminal.pre_auth(card(1), 500_00), pipe, link))
    assert (placed.get(39), placed.get(38)) == ("00", "123456")
    over = terminal.read(bench.send(terminal.complete(card(1), 575_01, "123456", placed.get(13)), pipe, link))
    assert over.get(39) == "64"
    done = terminal.read(bench.send(terminal.complete(card(1), 460_50, "123456", placed.get(13)), pipe, link))
    assert done.get(39) == "00"
    again = terminal.read(bench.send(terminal.repeat(terminal.sent), pipe, link))  # type: ignore[arg-type]
    assert (again.get(39), again.get(37)) == ("00", done.get(37))
    second = terminal.read(bench.send(terminal.complete(card(1), 460_50, "123456", placed.get(13)), pipe, link))
    assert second.get(39) == "22"


def test_silence_is_unknown_then_reversed() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    bench.judge = lambda message: None
    assert bench.send(terminal.pre_auth(card(1), 500_00), pipe, link) == b""
    bench.later(0.25)
    assert terminal.read(pipe.bodies[-1]).get(39) == "98"
    bench.judge = lambda message: ("00", "")
    bench.later(0.25)
    (request,) = [row for row in bench.rows(REQUESTS) if row.kind == "pre-authorization"]
    assert (request.outcome, request.undo) == ("reversed", "done")
    assert not bench.rows(HOLDS)


def test_two_events_of_one_key_in_one_batch_are_one_request() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    body = terminal.pre_auth(card(1), 500_00)
    for _ in range(3):
        bench.engine.offer(Received(link, "", decode(UNIONPAY, body)))
    bench.turn()
    assert [decode(UNIONPAY, sent).get(39) for sent in pipe.bodies][1:] == ["00"]
    assert len(bench.rows(HOLDS)) == 1


def test_a_reversal_in_the_same_batch_bars_what_comes_after_it() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    asked = terminal.pre_auth(card(1), 500_00)
    undo = terminal.reverse(terminal.sent)  # type: ignore[arg-type]
    pipe.bodies.clear()
    for body in (undo, asked):
        bench.engine.offer(Received(link, "", decode(UNIONPAY, body)))
    bench.turn()
    assert [decode(UNIONPAY, sent).get(39) for sent in pipe.bodies] == ["00", "12"]
    assert run(bench.engine.keep()) is None
