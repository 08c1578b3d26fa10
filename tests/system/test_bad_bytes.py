"""Whatever bytes come, one log line says so, the link is closed or the message refused, and nobody else notices."""

import random
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.edges.sample import CARDS
from holdfast.runtime.tcp import Limits
from holdfast.wire.framing import FRAME_BYTES_MAX, frame
from tests.system.installation import Installation, wait_until
from tests.system.till import Line, Till

WORKER = "acquirer-1"
FLOOD_LINKS = 200
FLOOD_BYTES_MAX = 6000
GROWTH_BYTES_MAX = 4 << 20
GOOD_ANSWER_S = 2.0
LATE_LINE_S = 0.3
"""A second line about the same bytes would come within that time."""


class Watch:
    """The worker as it is seen from outside: its log from now on, its process, its memory."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._told = len(installation.log(WORKER))
        self.pid = installation.pid_of(WORKER)
        assert self.pid is not None, "the worker runs"

    def lines(self) -> list[dict[str, Any]]:
        """What its log says since."""
        return self._installation.log(WORKER)[self._told :]

    def only_line(self) -> dict[str, Any]:
        """The one line that was logged since."""
        wait_until("it is logged", self.lines, 5.0)
        time.sleep(LATE_LINE_S)
        [line] = self.lines()
        return line

    def memory_bytes(self) -> int:
        """What the worker holds in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def same_worker(self) -> bool:
        """Whether it is still the same process."""
        return self._installation.pid_of(WORKER) == self.pid


@pytest.fixture(scope="module")
def good(shared: Installation) -> Iterator[Till]:
    """A terminal that behaves."""
    with Till.signed_on(shared) as till:
        yield till


@pytest.fixture
def watch(shared: Installation, good: Till) -> Iterator[Watch]:
    """Before and after: the same worker, and the good terminal works on the link that it had all the time."""
    watch = Watch(shared)
    yield watch
    assert watch.same_worker()
    assert_served(shared, good)


def assert_served(installation: Installation, good: Till) -> None:
    """An approval, and soon."""
    asked_s = time.monotonic()
    assert good.code(good.pre_auth(installation.new_card(), 100_00)) == "00"
    assert time.monotonic() - asked_s < GOOD_ANSWER_S


# --- a stream that is out of step ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (b"\x00\x00", "a frame of no bytes"),
        (b"\x00\x05hello", "fewer than"),
        ((FRAME_BYTES_MAX + 1).to_bytes(2), f"over {FRAME_BYTES_MAX}"),
        (b"\xff\xff" + bytes(70_000), f"over {FRAME_BYTES_MAX}"),
        (b"GET / HTTP/1.1\r\n\r\n", f"over {FRAME_BYTES_MAX}"),
    ],
)
def test_a_length_that_cannot_be_closes_the_link(shared: Installation, watch: Watch, chunk: bytes, says: str) -> None:
    with Line(shared.at) as line:
        line.socket.sendall(chunk)
        assert line.hung_up()
    told = watch.only_line()
    assert says in told["reason"]
    assert told["event"].startswith("closed")


def test_a_request_before_the_wrong_length_is_recorded_and_its_repeat_answered(
    shared: Installation, watch: Watch
) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        till.line.socket.sendall(frame(till.pre_auth(pan, 100_00)) + b"\x00\x00")
        assert till.line.hung_up()
        assert "no bytes" in watch.only_line()["reason"]
        asked = till.sent
        assert asked is not None
    with Line(shared.at) as till.line:
        assert till.code(till.repeat(asked)) == "00"
        assert shared.in_flight(WORKER) == 0, "nobody waits any more, least of all on the link that is gone"


# --- frames that are no message -----------------------------------------------------------------------------------


def with_bytes_after(body: bytes) -> bytes:
    return body + b"\x00\x00"


def without_its_end(body: bytes) -> bytes:
    """The bitmap names DE63 and DE64, which are absent."""
    return body[:-13]


def naming_a_field_too_many(body: bytes) -> bytes:
    """The bitmap (behind TPDU, header and MTI) names DE5, which is not there."""
    return body[:13] + bytes([body[13] | 0x08]) + body[14:]


def with_letters_in_the_amount(body: bytes) -> bytes:
    amount = bytes.fromhex("000000010000")
    assert body.count(amount) == 1
    return body.replace(amount, bytes.fromhex("0000000A0000"))


def with_letters_in_the_mti(body: bytes) -> bytes:
    return body[:11] + b"\xaf\xfe" + body[13:]


@pytest.mark.parametrize(
    "spoil",
    [
        with_bytes_after,
        without_its_end,
        naming_a_field_too_many,
        with_letters_in_the_amount,
        with_letters_in_the_mti,
        lambda body: body[:12],
        lambda body: bytes(len(body)),
    ],
)
def test_a_frame_that_is_no_message_is_refused_and_the_link_stays(
    shared: Installation, watch: Watch, spoil: Callable[[bytes], bytes]
) -> None:
    with Till.signed_on(shared) as till:
        pan = shared.new_card()
        body = till.pre_auth(pan, 100_00)
        till.line.send(spoil(body))
        told = watch.only_line()
        assert told["event"] == "not a message"
        assert " at byte " in told["reason"]
        assert pan not in str(told)
        assert till.code(body) == "00", "the terminal sends it again as it should be"


def test_nothing_but_frames_that_are_no_message_closes_the_link(shared: Installation, watch: Watch) -> None:
    unreadable_max = Limits().unreadable_max
    with Line(shared.at) as line:
        line.socket.sendall(frame(bytes(40)) * (unreadable_max + 1))
        assert line.hung_up()
    assert Counter(told["event"] for told in watch.lines()) == {
        "not a message": unreadable_max,
        "closed: nothing that comes is a message": 1,
    }


# --- silence ------------------------------------------------------------------------------------------------------


def test_half_a_frame_and_then_silence_is_cut_off_and_patience_is_not(
    shared: Installation, good: Till, watch: Watch
) -> None:
    """A prefix that is too long is the same as half a frame. Who says nothing at all may rest."""
    half_frame_s = Limits().half_frame_s
    body = good.sign_on()
    with (
        Line(shared.at) as half,
        Line(shared.at) as prefix_alone,
        Line(shared.at) as too_long,
        Line(shared.at) as rests,
    ):
        started_s = time.monotonic()
        half.socket.sendall(frame(body)[: len(body) // 2])
        prefix_alone.socket.sendall(frame(body)[:1])
        too_long.socket.sendall((len(body) + 20).to_bytes(2) + body)
        while time.monotonic() - started_s < half_frame_s - 1.0:
            assert_served(shared, good)
            time.sleep(1.5)
        assert watch.lines() == []
        assert all(line.hung_up(half_frame_s) for line in (half, prefix_alone, too_long))
        assert time.monotonic() - started_s < half_frame_s + 2.5
        assert not rests.hung_up(0.1)
    told = [line["event"] for line in watch.lines()]
    assert told == ["closed: half a frame and no more"] * 3


# --- floods -------------------------------------------------------------------------------------------------------


def flood(at: str, seed: int) -> list[socket.socket]:
    """Many connections that talk nonsense."""
    dice = random.Random(seed)
    links = []
    for _ in range(FLOOD_LINKS):
        host, _, port = at.rpartition(":")
        link = socket.create_connection((host, int(port)), timeout=10)
        links.append(link)
        try:
            link.sendall(dice.randbytes(dice.randint(2, FLOOD_BYTES_MAX)))
        except OSError:
            continue  # It has been hung up on in the middle of its nonsense, as it should be.
    return links


def test_a_flood_of_nonsense_is_sent_away_and_forgotten(shared: Installation, good: Till, watch: Watch) -> None:
    for link in flood(shared.at, seed=1):
        link.close()
    wait_until("it is over", lambda: len({told.get("link") for told in watch.lines()}) > FLOOD_LINKS * 0.9)
    assert_served(shared, good)
    before_bytes = watch.memory_bytes()
    links = flood(shared.at, seed=2)
    assert_served(shared, good)
    for link in links:
        link.close()
    told = wait_until("it is over", lambda: watch.lines()[int(FLOOD_LINKS * 1.9) :] and watch.lines())
    assert_served(shared, good)
    assert watch.memory_bytes() - before_bytes < GROWTH_BYTES_MAX
    lines_of = Counter(line["link"] for line in told)
    assert lines_of.most_common(1)[0][1] <= Limits().unreadable_max + 1
    assert len(told) < 2 * FLOOD_LINKS * 1.2, "one line each, save for a few that hit a length by chance"
    assert max(len(str(line)) for line in told) < 500


def test_more_connections_than_one_merchant_could_need(shared: Installation, good: Till, watch: Watch) -> None:
    """Idle ones cost nothing but their memory, and new ones are still let in."""
    links = [Line(shared.at) for _ in range(2 * FLOOD_LINKS)]
    try:
        assert_served(shared, good)
    finally:
        for link in links:
            link.socket.close()


FEW_FILES = 256


def test_where_files_are_few_links_do_not_take_those_that_the_worker_needs(
    make_installation: Callable[..., Installation],
) -> None:
    installation = make_installation("--sample")
    installation.before = ("prlimit", f"--nofile={FEW_FILES}")
    installation.start()
    with Till.signed_on(installation, "T0000001") as good:
        watch = Watch(installation)
        links = [Line(installation.at) for _ in range(FEW_FILES)]
        pan = str(CARDS[0]["pan"])
        wait_until("some are sent away", watch.lines)
        time.sleep(1.5)  # By then the worker has looked anew for its issuers, which takes a file.
        assert good.code(good.pre_auth(pan, 1_00)) == "00"
        with Line(installation.at) as one_more:
            assert one_more.hung_up()
        for link in links:
            link.socket.close()
        with Till.signed_on(installation, "T0000002") as another:
            assert another.code(another.pre_auth(pan, 1_00)) == "00"
        assert [line["event"] for line in watch.lines()] == ["too many links: sending new ones away"]
        assert watch.same_worker()
