"""Where a message goes, and that nothing goes to whoever is gone."""

from collections.abc import Mapping
from typing import Any

import pytest

from holdfast.errors import KeyRefused, WireError
from holdfast.keys.algorithms import mac_ecb
from holdfast.keys.file import FileKeys
from holdfast.parties.step import HangUp, LinkId, Outcome, Outgoing
from holdfast.runtime.links import Links
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block
from tests.parties.keys import PlainKeys
from tests.runtime.acquirer_bench import Pipe

KEY = "T0000001/000001/000001/0100"
OTHER_KEY = "T0000001/000001/000002/0100"


def links() -> Links:
    return Links(PlainKeys())


def send(links: Links, to: LinkId | str, code: str = "00") -> None:
    ready = links.prepare(Outgoing(to, Message("0110", {39: code})))
    links.deliver([] if ready is None else [ready])


def codes(pipe: Pipe) -> list[str]:
    return [decode(UNIONPAY, body).get(39) for body in pipe.bodies]


def test_a_link_by_its_id() -> None:
    here, pipe = links(), Pipe(UNIONPAY)
    send(here, here.add(pipe))
    assert codes(pipe) == ["00"]


def test_a_host_by_its_name_while_a_link_to_it_is_up() -> None:
    here, pipe, newer = links(), Pipe(UNIONPAY), Pipe(UNIONPAY)
    send(here, "01020000")
    link = here.add(pipe, "01020000")
    assert here.hosts() == {"01020000"}
    send(here, "01020000")
    second = here.add(newer, "01020000")
    send(here, "01020000", "51")
    assert (codes(pipe), codes(newer)) == (["00"], ["51"])
    here.drop(link)
    assert here.hosts() == {"01020000"}, "the older of two links went"
    here.drop(second)
    assert here.hosts() == frozenset()
    send(here, "01020000")
    assert (codes(pipe), codes(newer)) == (["00"], ["51"])


def test_a_link_to_a_host_is_given_up_after_the_commit_and_not_before() -> None:
    here, pipe = links(), Pipe(UNIONPAY)
    assert here.prepare(HangUp("acquirer")) is None
    here.add(pipe, "acquirer")
    ready = here.prepare(HangUp("acquirer"))
    assert ready is not None
    assert not pipe.hung_up
    here.deliver([ready])
    assert pipe.hung_up


def test_the_newest_that_asked_is_answered_once() -> None:
    here, pipe, newer = links(), Pipe(UNIONPAY), Pipe(UNIONPAY)
    here.wait(KEY, here.add(pipe))
    here.wait(KEY, here.add(newer))
    send(here, KEY)
    send(here, KEY)
    assert (codes(pipe), codes(newer)) == ([], ["00"])


def test_nobody_waits_for_what_was_never_asked_here() -> None:
    send(links(), KEY)


def test_who_is_gone_is_not_written_to_and_waits_no_more() -> None:
    here, pipe, newer = links(), Pipe(UNIONPAY), Pipe(UNIONPAY)
    first, second = here.add(pipe), here.add(newer)
    for key in (KEY, OTHER_KEY):
        here.wait(key, first)
    here.wait(KEY, second)
    here.drop(first)
    here.drop(first)
    for to in (KEY, OTHER_KEY, first):
        send(here, to)
    assert (codes(pipe), codes(newer)) == ([], ["00"])


def test_an_answer_that_could_not_be_delivered_is_still_waited_for() -> None:
    """The link died between the asking and the answer; whoever asks again is answered then."""
    here, pipe = links(), Pipe(UNIONPAY)
    here.wait(KEY, here.add(Pipe(UNIONPAY)))
    here.drop(1)
    send(here, KEY)
    here.wait(KEY, here.add(pipe))
    send(here, KEY)
    assert codes(pipe) == ["00"]


def test_nothing_leaves_before_it_is_delivered() -> None:
    here, pipe = links(), Pipe(UNIONPAY)
    ready = here.prepare(Outgoing(here.add(pipe), Message("0110", {39: "00"})))
    assert ready is not None
    assert pipe.bodies == []
    here.deliver([ready])
    assert codes(pipe) == ["00"]


def test_a_caller_is_told_once_and_only_while_he_is_there() -> None:
    here = links()
    told: list[Mapping[str, Any]] = []
    caller = here.add_caller(told.append)
    ready = here.prepare(Outcome(caller, {"ok": True}))
    assert ready is not None
    here.deliver([ready])
    here.drop(caller)
    assert here.prepare(Outcome(caller, {"ok": True})) is None
    assert told == [{"ok": True}]


def test_a_reply_goes_back_the_way_that_the_last_message_came() -> None:
    here, pipe = links(), Pipe(UNIONPAY)
    pipe.tpdu, pipe.header = bytes.fromhex("6000010002"), bytes.fromhex("603200000001")
    send(here, here.add(pipe))
    (body,) = pipe.bodies
    assert (body[:5], body[5:11]) == (pipe.tpdu, pipe.header)


def test_a_sealed_message_carries_the_mac_of_its_own_bytes() -> None:
    keys, pipe = FileKeys(bytes(32), bytes(range(32))), Pipe(UNIONPAY)
    here = Links(keys)
    clear = bytes(range(8))
    seal = keys.import_key("mak", clear), "ecb"
    ready = here.prepare(Outgoing(here.add(pipe), Message("0110", {39: "00", 64: "00000000"}), seal))
    assert ready is not None
    here.deliver([ready])
    (body,) = pipe.bodies
    assert decode(UNIONPAY, body).get(64) == mac_ecb(clear, mac_block(UNIONPAY, body))
    with pytest.raises(KeyRefused):
        here.prepare(Outgoing(1, Message("0110", {64: "00000000"}), (b"\0" * 40, "ecb")))
    with pytest.raises(WireError):
        here.prepare(Outgoing(1, Message("0110", {39: "0"})))
