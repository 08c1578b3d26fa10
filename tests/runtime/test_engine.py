"""The engine with the real acquirer on a memory store: one batch, its order, its conflicts, its failures."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.domain.records import ACQUIRER_LOGS, HOLDS, REQUESTS, SESSIONS
from holdfast.domain.tables import DUE, Due, insert
from holdfast.errors import Fenced, StoreError, Unstorable
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.step import TURN, Decision, Event, KeyOperation, Outgoing, Received, RowOf, Step
from holdfast.register.canonical import decode_strict
from holdfast.runtime import engine as engine_module
from holdfast.runtime.engine import Engine
from holdfast.store.interface import Batch
from holdfast.store.memory import MemoryStore
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.parties.acquirer_audit import assert_gapless, assert_secret, audit
from tests.runtime.acquirer_bench import AcquirerBench, Pipe, card, run


def received(body: bytes, link: int) -> Received:
    """What a terminal's bytes are to the engine."""
    return Received(link, "", decode(UNIONPAY, body))


def codes(pipe: Pipe) -> list[str]:
    """The response codes of what a link was sent."""
    return [decode(UNIONPAY, body).get(39) for body in pipe.bodies]


def book(bench: AcquirerBench, log: str = "A") -> list[dict[str, Any]]:
    """What the entries of a log say."""
    return [decode_strict(entry.body) for entry in bench.database.logs[log].entries]


# --- one batch ----------------------------------------------------------------------------------------------------


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
        bench.engine.offer(received(body, link))
    bench.turn()
    assert codes(pipe)[1:] == ["00"]
    assert len(bench.rows(HOLDS)) == 1


def test_a_reversal_in_the_same_batch_bars_what_comes_after_it() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    asked = terminal.pre_auth(card(1), 500_00)
    undo = terminal.reverse(terminal.sent)  # type: ignore[arg-type]
    pipe.bodies.clear()
    for body in (undo, asked):
        bench.engine.offer(received(body, link))
    bench.turn()
    assert codes(pipe) == ["00", "12"]
    assert run(bench.engine.keep()) is None


def test_an_event_that_needs_rows_nobody_fetched_waits_for_the_next_batch() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    asked = terminal.pre_auth(card(1), 500_00)
    undo = terminal.reverse(terminal.sent)  # type: ignore[arg-type]
    pipe.bodies.clear()
    for body in (asked, undo):
        bench.engine.offer(received(body, link))
    done = run(bench.engine.turn(False))
    assert done.events == 1
    # The reversal was deferred: its original's hold was in nobody's wants when the batch was read.
    assert len(bench.engine.waiting) == 1
    bench.turn()
    assert codes(pipe) == ["00"]
    (request,) = [row for row in bench.rows(REQUESTS) if row.kind == "pre-authorization"]
    assert (request.outcome, request.undo) == ("reversed", "done")
    audit(bench.database, bench.said, [card(1)])


def test_deferred_events_keep_their_order_and_go_first() -> None:
    bench = AcquirerBench()
    first, _, link = bench.terminal()
    asked = [first.pre_auth(card(1), 500_00), first.pre_auth(card(1), 400_00)]
    undone = [first.reverse(decode(UNIONPAY, body)) for body in asked]
    for body in (*asked, *undone, first.pre_auth(card(2), 1)):
        bench.engine.offer(received(body, link))
    run(bench.engine.turn(False))
    bench.engine.offer(received(first.pre_auth(card(3), 1), link))
    waiting = [(event.message.mti, event.message.get(11)) for event in bench.engine.waiting]  # type: ignore[union-attr]
    assert waiting == [("0400", "000002"), ("0400", "000003"), ("0100", "000005")]


def test_a_new_card_twice_in_one_batch_is_one_row_in_the_vault() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    for _ in range(3):
        bench.engine.offer(received(terminal.pre_auth(card(1), 500_00), link))
    bench.turn()
    assert codes(pipe)[1:] == ["00"] * 3
    assert len({hold.token for hold in bench.rows(HOLDS)}) == 1


def test_nothing_leaves_before_the_commit() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    seen: list[tuple[str, int, int]] = []

    async def watch(point: str) -> None:
        entries = len(bench.database.logs["A"].entries)
        seen.append((point, entries, len(pipe.bodies) + len(bench.issuer.bodies)))

    pipe.bodies.clear()
    entries = len(bench.database.logs["A"].entries)
    bench.store.pause = watch  # type: ignore[attr-defined]
    bench.engine.offer(received(terminal.pre_auth(card(1), 500_00), link))
    bench.turn()
    assert [point for point, _, _ in seen if point == "commit"] == ["commit"] * 2
    assert {(kept, sent) for point, kept, sent in seen if point == "commit"} == {(entries, 0), (entries + 1, 0)}
    assert {(kept, sent) for point, kept, sent in seen if point == "committed"} == {(entries + 1, 0), (entries + 2, 0)}
    assert codes(pipe) == ["00"]


# --- one that raises ----------------------------------------------------------------------------------------------

CULPRIT = "000666"


def raised(event: Event) -> Any:
    """The bug: its text holds what must not be written down."""
    raise RuntimeError(f"no idea what to do with {event.message.get(2)}")  # type: ignore[union-attr]


def raises_when_called(event: Event) -> Decision:
    return raised(event)  # type: ignore[no-any-return]


def raises_while_reading(event: Event) -> Decision:
    yield (RowOf(REQUESTS, "nothing"),)
    raised(event)
    return Step()


def raises_in_its_turn(event: Event) -> Decision:
    yield (TURN,)
    raised(event)
    return Step()


def returns_too_early(event: Event) -> Decision:
    yield (RowOf(REQUESTS, "nothing"),)
    return Step()


def never_comes_to_its_turn(event: Event) -> Decision:
    while True:
        yield (RowOf(REQUESTS, "nothing"),)


def reads_after_its_turn(event: Event) -> Decision:
    yield (TURN,)
    yield (RowOf(REQUESTS, "nothing"),)
    return Step()


def asks_for_an_unknown_key_operation(event: Event) -> Decision:
    yield (KeyOperation("pan_hash", (17,)),)
    yield (TURN,)
    return Step()


def numbers_its_entries_wrongly(event: Event) -> Decision:
    (turn,) = yield (TURN,)
    later = turn._replace(number=turn.number + 7)
    return Step((later.record("audit", {"phase": "planted"}),))


def sends_what_cannot_be_encoded(event: Event) -> Decision:
    (turn,) = yield (TURN,)
    return Step((turn.record("audit", {"phase": "planted"}),), send=(Outgoing(event.link, Message("0110", {39: "0"})),))  # type: ignore[union-attr]


def inserts_what_is_there(event: Event) -> Decision:
    rows = yield (RowOf(SESSIONS, "T0000001"),)
    (turn,) = yield (TURN,)
    return Step((turn.record("audit", {"phase": "planted"}),), (insert(SESSIONS, rows[0]),))


BUGS = (
    raises_when_called,
    raises_while_reading,
    raises_in_its_turn,
    returns_too_early,
    never_comes_to_its_turn,
    reads_after_its_turn,
    asks_for_an_unknown_key_operation,
    numbers_its_entries_wrongly,
    sends_what_cannot_be_encoded,
    inserts_what_is_there,
)


class Planted(Acquirer):
    """The acquirer with a bug that one trace number meets, and one kind of due row."""

    bug: Callable[[Event], Decision] = staticmethod(raises_in_its_turn)

    def decide(self, event: Event) -> Decision:
        if isinstance(event, Received) and not event.peer and event.message.get(11) == CULPRIT:
            return self.bug(event)
        return super().decide(event)


def planted(bug: Callable[[Event], Decision]) -> AcquirerBench:
    """A bench whose acquirer has this bug."""
    bench = AcquirerBench()
    party = Planted(bench.engine._party.policy)  # type: ignore[attr-defined]
    party.bug = bug
    bench.engine._party = party
    return bench


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("claim", [False, True])
def test_one_event_that_raises_is_refused_alone_and_recorded(bug: Callable[[Event], Decision], claim: bool) -> None:
    bench = planted(bug)
    terminal, pipe, link = bench.terminal()
    pipe.bodies.clear()
    for stan in (1, 665, 2, 3):
        terminal.stan = stan
        bench.engine.offer(received(terminal.pre_auth(card(stan), 500_00), link))
    bench.turn(claim)
    answers = {decode(UNIONPAY, body).get(11): decode(UNIONPAY, body).get(39) for body in pipe.bodies}
    assert answers == {"000002": "00", CULPRIT: "96", "000003": "00", "000004": "00"}
    (refusal,) = [facts for facts in book(bench) if facts["kind"] == "refusal"]
    assert set(refusal) == {"log", "number", "at", "kind", "phase", "actor", "reason", "event"}
    audit(bench.database, bench.said, [card(665), "000666"])


@pytest.mark.parametrize("bug", BUGS)
def test_one_event_that_raises_alone(bug: Callable[[Event], Decision]) -> None:
    bench = planted(bug)
    terminal, pipe, link = bench.terminal()
    terminal.stan = 665
    assert decode(UNIONPAY, bench.send(terminal.pre_auth(card(1), 500_00), pipe, link)).get(39) == "96"
    assert [facts["kind"] for facts in book(bench)].count("refusal") == 1


@pytest.mark.parametrize("others", [0, 2])
def test_a_due_row_that_raises_is_refused_and_comes_later(others: int) -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    bench.judge = lambda message: None
    for _ in range(others):
        bench.send(terminal.pre_auth(card(1), 1), pipe, link)
    bench.now_us += 60_000_000
    strange = Due("strange:1", bench.now_us, 0, bench.now_us)
    bench.database.table(DUE).put(strange)
    pipe.bodies.clear()
    bench.turn(claim=True)
    assert codes(pipe) == ["98"] * others
    assert [facts["event"] for facts in book(bench) if facts["kind"] == "refusal"] == ["Due"]
    (later,) = [due for due in bench.rows(DUE) if due.key == strange.key]
    assert (later.due_us > bench.now_us, later.attempts) == (True, 1)


class Hopeless(Planted):
    """An acquirer that cannot even refuse."""

    def refuse(self, event: Event, error: Exception) -> Decision:
        raise RuntimeError("nor that")


def test_an_event_that_cannot_even_be_refused_is_dropped_aloud() -> None:
    bench = planted(raises_in_its_turn)
    bench.engine._party = Hopeless(bench.engine._party.policy)  # type: ignore[attr-defined]
    terminal, pipe, link = bench.terminal()
    pipe.bodies.clear()
    terminal.stan = 665
    for number in (1, 2):
        bench.engine.offer(received(terminal.pre_auth(card(number), 500_00), link))
    bench.turn()
    assert codes(pipe) == ["00"]
    assert any("dropped" in line for line in bench.said)
    assert_secret(bench.database, bench.said, [card(1)])


@pytest.mark.parametrize("mti", ["0110", "0190", "0410", "0890", "0990"])
def test_nobody_answers_a_message_that_is_no_question(mti: str) -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    body = bytearray(terminal.pre_auth(card(1), 500_00))
    body[11:13] = bytes.fromhex(mti)
    entries = len(book(bench))
    assert bench.send(bytes(body), pipe, link) == b""
    assert len(book(bench)) == entries
    assert mti in bench.said[-1]


# --- the database refuses -----------------------------------------------------------------------------------------


class Flaky(MemoryStore):
    """A store that refuses the batches that `refuses` names, counted from 0."""

    refuses: Callable[[int], bool] = staticmethod(lambda batch: False)
    begun = -1

    async def begin(self) -> Any:
        self.begun += 1
        if self.refuses(self.begun):
            raise StoreError("the database is away")
        return await super().begin()


def flaky() -> tuple[AcquirerBench, Flaky]:
    """A bench on a flaky store."""
    bench = AcquirerBench()
    store = Flaky(bench.database)
    bench.store = bench.engine._store = store
    return bench, store


def test_events_wait_in_order_while_the_database_is_away() -> None:
    bench, store = flaky()
    terminal, pipe, link = bench.terminal()
    pipe.bodies.clear()
    for number in range(3):
        bench.engine.offer(received(terminal.pre_auth(card(number), 500_00), link))
    store.refuses = lambda batch: True
    for _ in range(2):
        with pytest.raises(StoreError):
            run(bench.engine.turn(True))
    assert [event.message.get(11) for event in bench.engine.waiting] == ["000002", "000003", "000004"]  # type: ignore[union-attr]
    assert pipe.bodies == []
    store.refuses = lambda batch: False
    bench.turn()
    assert codes(pipe) == ["00"] * 3


def test_what_was_decided_alone_is_not_decided_again_when_the_database_goes_away() -> None:
    bench, store = flaky()
    bench.engine._party = Planted(bench.engine._party.policy)  # type: ignore[attr-defined]
    terminal, _, link = bench.terminal()
    sign_on = terminal.sign_on()
    terminal.stan = 665
    events = [received(sign_on, link), received(terminal.pre_auth(card(1), 1), link)]
    events.append(received(terminal.pre_auth(card(2), 1), link))
    for event in events:
        bench.engine.offer(event)
    first = store.begun + 1
    # The batch of all three fails by the bug; then the sign-on goes alone, and the database is away for the culprit.
    store.refuses = lambda batch: batch == first + 2
    with pytest.raises(StoreError):
        run(bench.engine.turn(False))
    assert list(bench.engine.waiting) == events[1:]
    bench.turn()
    assert [facts["kind"] for facts in book(bench)].count("sign-on") == 2, "the bench's own, and this one once"


@pytest.mark.parametrize("outcome", ["before", "after"])
def test_a_commit_of_unknown_outcome_is_read_back(outcome: str) -> None:
    bench = AcquirerBench()
    store = MemoryStore(bench.database)
    bench.store = bench.engine._store = store
    terminal, pipe, link = bench.terminal()
    outcomes: list[Any] = [outcome]
    store.fail_commit = lambda: outcomes.pop() if outcomes else None
    epoch = bench.engine.head.epoch
    pipe.bodies.clear()
    bench.engine.offer(received(terminal.pre_auth(card(1), 500_00), link))
    bench.turn()
    assert codes(pipe) == ["00"]
    assert bench.engine.head.epoch == epoch + 1
    assert len([row for row in bench.rows(REQUESTS) if row.outcome == "approved"]) == 1
    audit(bench.database, bench.said, [card(1)])


def test_waits_survive_a_commit_that_did_not_happen() -> None:
    bench, store = flaky()
    terminal, pipe, link = bench.terminal()
    bench.judge = lambda message: None
    body = terminal.pre_auth(card(1), 500_00)
    bench.send(body, pipe, link)
    question = bench.asked[-1]
    newest = Pipe(UNIONPAY)
    bench.engine.offer(received(body, bench.links.add(newest)))
    outcomes: list[Any] = ["before", "before"]
    store.fail_commit = lambda: outcomes.pop() if outcomes else None
    bench.turn()
    bench.judge = lambda message: ("00", "123456")
    bench.answer(question)
    bench.turn()
    assert (codes(pipe), codes(newest)) == ([], ["00"])


def test_a_link_that_died_meanwhile_loses_its_answer_and_nobody_elses() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    other, other_pipe, other_link = bench.terminal(2)
    pipe.bodies.clear()
    other_pipe.bodies.clear()
    bench.judge = lambda message: None
    body = terminal.pre_auth(card(1), 500_00)
    bench.engine.offer(received(body, link))
    bench.engine.offer(received(other.pre_auth(card(2), 500_00), other_link))
    bench.turn()
    bench.links.drop(link)
    bench.judge = lambda message: ("00", "123456")
    for question in list(bench.asked):
        bench.answer(question)
    bench.turn()
    assert (codes(pipe), codes(other_pipe)) == ([], ["00"])
    # Whoever comes back and asks again gets the first answer.
    back = Pipe(UNIONPAY)
    bench.engine.offer(received(body, bench.links.add(back)))
    bench.turn()
    assert codes(back) == ["00"]


def test_who_lost_the_log_writes_and_says_nothing_more() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    bench.now_us += 11_000_000
    run(MemoryStore(bench.database).take_log(("A",), "another", 10.0))
    pipe.bodies.clear()
    entries = len(book(bench))
    bench.engine.offer(received(terminal.pre_auth(card(1), 500_00), link))
    for _ in range(2):
        with pytest.raises(Fenced):
            run(bench.engine.turn(False))
    with pytest.raises(Fenced):
        run(bench.engine.keep())
    assert (pipe.bodies, bench.issuer.bodies, len(book(bench))) == ([], [], entries)
    assert len(bench.engine.waiting) == 1


def test_a_reference_cache_that_is_emptied_in_the_middle_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "REFERENCE_CACHE_MAX", 8)
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    pipe.bodies.clear()
    strangers = []
    for number in range(9):
        stranger = bytearray(terminal.pre_auth(card(1), 1))
        at = stranger.find(b"T0000001")
        stranger[at : at + 8] = f"X{number:07d}".encode()
        strangers.append(received(bytes(stranger), link))
    for event in (received(terminal.pre_auth(card(1), 500_00), link), *strangers):
        bench.engine.offer(event)
    bench.turn()
    assert sorted(codes(pipe)) == ["00", *["97"] * 9]


# --- two engines on one store -------------------------------------------------------------------------------------


class Worker:
    """One of several engines on a bench's database, with a terminal of its own; the issuer is the test."""

    def __init__(self, bench: AcquirerBench, holder: str, pause: Callable[[str], Any]) -> None:
        self.links = bench.new_links()
        self.issuer = Pipe(bench.issuer.dialect)
        self.links.add(self.issuer, "01020000")
        self.pipe = Pipe(UNIONPAY)
        self.link = self.links.add(self.pipe)
        store = MemoryStore(bench.database, pause)
        self.engine = Engine(
            Acquirer(bench.engine._party.policy),  # type: ignore[attr-defined]
            store,
            bench.keys,
            self.links,
            lambda: bench.now_us,
            lambda event, **facts: bench.said.append(event),
            holder,
            ACQUIRER_LOGS,
        )

    def offer(self, body: bytes) -> None:
        self.engine.offer(received(body, self.link))


def interleaved(seed: int) -> Callable[[str], Any]:
    """A pause that lets others run, each time for another number of rounds."""
    state = seed

    async def pause(point: str) -> None:
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        for _ in range(state >> 16 & 3):
            await asyncio.sleep(0)

    return pause


def together(*workers: Worker) -> None:
    """Each worker's turns, side by side, until nothing waits."""

    async def work(worker: Worker) -> None:
        while worker.engine.waiting:
            await worker.engine.turn(False)

    async def everybody() -> None:
        await asyncio.gather(*map(work, workers))

    asyncio.run(everybody())


def two_workers(seed: int) -> tuple[AcquirerBench, Worker, Worker]:
    bench = AcquirerBench()
    workers = Worker(bench, "one", interleaved(seed)), Worker(bench, "two", interleaved(seed + 7))
    for worker in workers:
        asyncio.run(worker.engine.take())
    return bench, *workers


@pytest.mark.parametrize("seed", range(12))
def test_one_request_that_comes_to_two_workers_at_once_is_one_request(seed: int) -> None:
    bench, one, two = two_workers(seed)
    terminal, _, _ = bench.terminal()
    body = terminal.pre_auth(card(1), 500_00)
    one.offer(body)
    two.offer(body)
    together(one, two)
    assert len(one.issuer.bodies) + len(two.issuer.bodies) == 1
    assert [row.outcome for row in bench.rows(REQUESTS)] == ["asked"]
    assert_gapless(bench.database)


@pytest.mark.parametrize("seed", range(12))
def test_two_workers_contend_for_one_hold(seed: int) -> None:
    bench, one, two = two_workers(seed)
    terminal, pipe, link = bench.terminal()
    placed = terminal.read(bench.send(terminal.pre_auth(card(1), 500_00), pipe, link))
    terminal.stan = 10
    one.offer(terminal.complete(card(1), 500_00, "123456", placed.get(13)))
    two.offer(terminal.void(card(1), 500_00, "123456", placed.get(13)))
    together(one, two)
    # One at a time on a hold: the issuer is asked once, and the other waits until that is over.
    asked = [(worker, body) for worker in (one, two) for body in worker.issuer.bodies]
    ((worker, question),) = asked
    worker.engine.offer(Received(0, "01020000", bench.answer_of(question, "00", "123456")))
    together(one, two)
    for each in (one, two):
        asyncio.run(each.engine.turn(True))
    (hold,) = bench.rows(HOLDS)
    assert (hold.state in ("completed", "voided"), hold.version) == (True, 2)
    told = sorted(codes(one.pipe) + codes(two.pipe))
    assert told == ["00", "22"]
    assert {row.undo for row in bench.rows(REQUESTS)} == {""}
    assert_gapless(bench.database)


@pytest.mark.parametrize("seed", range(12))
def test_a_reversal_at_one_worker_and_the_answer_at_the_other(seed: int) -> None:
    bench, one, two = two_workers(seed)
    terminal, _, _ = bench.terminal()
    one.offer(terminal.pre_auth(card(1), 500_00))
    together(one)
    (question,) = one.issuer.bodies
    undo = terminal.reverse(terminal.sent)  # type: ignore[arg-type]
    one.engine.offer(Received(0, "01020000", bench.answer_of(question, "00", "123456")))
    two.offer(undo)
    together(one, two)
    assert codes(two.pipe) == ["00"]
    request = bench.rows(REQUESTS)[0]
    assert (request.outcome, request.undo) == ("reversed", "owed")
    assert {hold.state for hold in bench.rows(HOLDS)} <= {"reversed"}
    # If the answer came first it was delivered, and the hold was placed and taken out again.
    assert codes(one.pipe) == ["00"] * len(bench.rows(HOLDS))


@pytest.mark.parametrize("seed", range(6))
def test_two_workers_claim_each_due_row_once(seed: int) -> None:
    bench, one, two = two_workers(seed)
    terminal, pipe, link = bench.terminal()
    bench.judge = lambda message: None
    for number in range(5):
        bench.send(terminal.pre_auth(card(number), 500_00), pipe, link)
    bench.now_us += 12_000_000

    async def both() -> None:
        await asyncio.gather(one.engine.turn(True), two.engine.turn(True))

    asyncio.run(both())
    bench.now_us += 1
    asyncio.run(both())
    sent = len(one.issuer.bodies) + len(two.issuer.bodies)
    assert sent == 5, "each reversal went out once"
    assert {row.outcome for row in bench.rows(REQUESTS)} == {"unknown"}
    assert_gapless(bench.database)


def test_an_owed_reversal_leaves_before_the_request_that_follows_it() -> None:
    bench = AcquirerBench()
    terminal, pipe, link = bench.terminal()
    placed = terminal.read(bench.send(terminal.pre_auth(card(1), 500_00), pipe, link))
    done = terminal.complete(card(1), 460_50, "123456", placed.get(13))
    assert terminal.read(bench.send(done, pipe, link)).get(39) == "00"
    asked: list[str] = []
    answer = bench.judge

    def noted(message: Message) -> tuple[str, str] | None:
        asked.append(message.mti)
        return answer(message)

    bench.judge = noted
    undo = terminal.reverse(terminal.sent)  # type: ignore[arg-type]
    assert terminal.read(bench.send(undo, pipe, link)).get(39) == "00"
    again = terminal.complete(card(1), 470_00, "123456", placed.get(13))
    assert terminal.read(bench.send(again, pipe, link)).get(39) == "00"
    assert asked == ["0420", "0200"]


class Choosy(MemoryStore):
    """A store that cannot hold the rows of one trace number, as a database that refuses some text."""

    async def begin(self) -> Any:
        transaction = await super().begin()
        write = transaction.write

        async def refusing(batch: Batch) -> None:
            if any(isinstance(w.key, str) and w.row is not None and "/000003/" in w.key for w in batch.writes):
                raise Unstorable("the database cannot hold it")
            await write(batch)

        transaction.write = refusing  # type: ignore[method-assign]
        return transaction


def test_what_no_database_can_hold_is_refused_alone_and_holds_nobody_up() -> None:
    bench = AcquirerBench()
    bench.store = bench.engine._store = Choosy(bench.database)
    terminal, pipe, link = bench.terminal()
    pipe.bodies.clear()
    for number in range(3):
        bench.engine.offer(received(terminal.pre_auth(card(number), 500_00), link))
    bench.turn()
    assert sorted(codes(pipe)) == ["00", "00", "96"]
    assert not bench.engine.waiting
