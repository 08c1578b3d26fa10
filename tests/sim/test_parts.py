"""What a world is made of: time, a network, keys, a log read again."""

import pytest

from holdfast.domain.rules import CHOICES, HABIT_CHOICES, parse_habits, parse_rules
from holdfast.errors import KeyRefused
from holdfast.keys.interface import Keys
from holdfast.register.tree import EMPTY, append, root
from holdfast.sim import plan
from holdfast.sim.faults import (
    COPY,
    FOREIGN_98,
    FOREIGN_LATE,
    FOREIGN_PART,
    FOREIGN_TWICE,
    LOSS,
    RATES,
    Faults,
    Hostility,
)
from holdfast.sim.folds import Walk
from holdfast.sim.foreign import ForeignNetwork
from holdfast.sim.keys import SimKeys
from holdfast.sim.labels import Labels
from holdfast.sim.logbook import Tree
from holdfast.sim.network import Network
from holdfast.sim.scheduler import Scheduler, Stuck
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.framing import frame
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block


def test_things_happen_in_the_order_of_their_time_and_then_of_their_queueing() -> None:
    scheduler, seen = Scheduler(0), list[str]()
    for delay_us, name in ((5, "late"), (1, "first"), (1, "second")):
        scheduler.after(delay_us, lambda name=name: seen.append(name))  # type: ignore[misc]
    scheduler.run_until(3)
    assert (seen, scheduler.now_us) == (["first", "second"], 3)
    scheduler.run_until(100)
    assert (seen, scheduler.now_us) == (["first", "second", "late"], 100)


def test_a_world_that_goes_round_in_circles_is_stuck() -> None:
    scheduler = Scheduler(0, events_max=50)

    def again() -> None:
        scheduler.after(1, again)

    again()
    with pytest.raises(Stuck):
        scheduler.run_until(1_000)


def carried(kind: str, rate: float, frames: int = 200) -> tuple[int, int]:
    """How many of so many frames arrive, and how often the fault was counted."""
    scheduler = Scheduler(0)
    faults = Faults(Hostility(dict.fromkeys(RATES, 0.0) | {kind: rate}), "1")
    near, far = Network(scheduler, faults).connect(UNIONPAY, "near", "far")
    arrived: list[bytes] = []
    far.received = arrived.append
    for number in range(frames):
        near.write(frame(f"message {number:05d}".encode()))
    scheduler.run_until(1_000_000_000)
    return len(arrived), faults.counts[kind]


def test_what_is_lost_and_what_is_copied_is_counted() -> None:
    assert carried(LOSS, 0.0) == (200, 0)
    arrived, lost = carried(LOSS, 0.3)
    assert (arrived + lost, lost > 20) == (200, True)
    arrived, copied = carried(COPY, 0.3)
    assert (arrived - copied, copied > 20) == (200, True)


def test_nothing_arrives_at_an_end_that_is_closed() -> None:
    scheduler = Scheduler(0)
    near, far = Network(scheduler, Faults(Hostility.none(), "1")).connect(UNIONPAY, "near", "far")
    arrived: list[bytes] = []
    far.received = arrived.append
    near.write(frame(b"on its way then"))
    far.close()
    scheduler.run_until(1_000_000_000)
    assert arrived == []


def test_keys_travel_and_refuse_as_real_ones_do() -> None:
    keys: Keys = SimKeys("acquirer", "worker-1")
    device: Keys = SimKeys("T1", "T1")
    tmk = keys.import_key("tmk", bytes(range(16)))
    mak = keys.new_working_key("mak", 8)
    encrypted, check = keys.export_under(tmk, mak)
    there = device.import_under(device.import_key("tmk", bytes(range(16))), "mak", encrypted, check)
    assert device.verify_mac(there, "ecb", b"message", keys.mac(mak, "ecb", b"message"))
    assert not device.verify_mac(there, "x919", b"message", keys.mac(mak, "ecb", b"message"))
    with pytest.raises(KeyRefused):
        device.import_under(tmk, "mak", encrypted, bytes(4))
    with pytest.raises(KeyRefused):
        keys.mac(tmk, "ecb", b"message")


def test_a_pin_and_a_card_survive_the_way() -> None:
    keys: Keys = SimKeys("acquirer", "worker-1")
    pik, zone = keys.import_key("pik", bytes(16)), keys.import_key("zone-pin", bytes(range(16)))
    pan = "6200000000000005"
    block = keys.translate_pin(pik, zone, keys.pin_block(pik, "1234", pan), pan)
    assert keys.pin_matches(zone, block, pan, keys.pin_verifier(pan, "1234"))
    assert not keys.pin_matches(zone, block, pan, keys.pin_verifier(pan, "1235"))
    sealed = keys.encrypt_pan(pan)
    assert (keys.decrypt_pan(sealed), keys.encrypt_pan(pan) == sealed) == (pan, False)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 600])
def test_the_auditors_tree_is_the_products_tree(size: int) -> None:
    leaves = [number.to_bytes(32) for number in range(size)]
    frontier, nodes = append(EMPTY, leaves)
    tree, stored = Tree(), list[tuple[int, int, bytes]]()
    for leaf in leaves:
        tree.add(leaf)
        stored += [made for made in tree.made if made[0] in (8, 16)]
    assert (tree.root(), tree.peaks()) == (root(frontier), frontier.hashes)
    assert stored == [tuple(node) for node in nodes]


def test_every_value_of_a_rule_and_a_habit_is_met_over_the_seeds() -> None:
    drawn = [plan.drawn(seed) for seed in range(1, 401)]
    rules = [parse_rules(text) for each in drawn for text in (*each.rules.values(), each.everywhere)]
    habits = [parse_habits(text) for each in drawn for text in each.habits.values()]
    for choices, said in ((CHOICES, rules), (HABIT_CHOICES, habits)):
        for name, values in choices.items():
            assert {ways[name] for ways in said if name in ways} == set(values), name
    assert {each.foreign_scheme for each in drawn} == {"VIS", "MCC"}


def foreign(kind: str, mti: str = "0110") -> list[tuple[int, str]]:
    """What a foreign network makes of an approval when this always goes wrong: how much later, and which code."""
    faults = Faults(Hostility(dict.fromkeys(RATES, 0.0) | {kind: 1.0}), "1")
    keys: Keys = SimKeys("issuer", "network")
    network = ForeignNetwork(Scheduler(0), faults, Labels(), SimKeys("issuer", "network"), bytes(16))
    body = encode(ASCII_1987, Message(mti, {39: "00", 128: "00000000"}))
    sent = [(delay_us, each[2:]) for delay_us, each in network.between(frame(body))]
    zone = keys.import_key("zone-mac", bytes(16))
    changed = [each for _, each in sent if each != body]
    assert all(keys.verify_mac(zone, "x919", mac_block(ASCII_1987, each), each[-8:].decode()) for each in changed)
    return [(delay_us, decode(ASCII_1987, each).get(39)) for delay_us, each in sent]


def test_a_foreign_network_has_its_ways() -> None:
    assert foreign(FOREIGN_98) == [(0, "98")]
    assert foreign(FOREIGN_PART)[0][1] in ("10", "11", "A2", "A4", "A5", "A6")
    assert foreign(FOREIGN_PART, "0430") == [(0, "00")]
    ((delay_us, code),) = foreign(FOREIGN_LATE)
    assert (delay_us > 5_000_000, code) == (True, "00")
    assert [code for _, code in foreign(FOREIGN_TWICE)] == ["00", "00"]


def act(name: str, amount_minor: int, **terms: int) -> list[object]:
    return [name, f"A-{name}", amount_minor, terms]


@pytest.mark.parametrize(
    ("acts", "state", "held_minor", "taken_minor"),
    [
        ([act("place", 100, frozen_minor=115)], "held", 115, 0),
        ([act("place", 100, frozen_minor=115), act("increase", 20, frozen_minor=20)], "held", 135, 0),
        ([act("place", 100, frozen_minor=115), act("complete", 80)], "completed", 0, 80),
        ([act("place", 100, frozen_minor=115), act("complete-part", 80)], "held", 35, 80),
        ([act("place", 100, frozen_minor=100), act("complete-part", 80), act("release", 0)], "completed", 0, 80),
        ([act("place", 100, frozen_minor=100), act("complete", 80), act("refund", 30)], "completed", 0, 50),
        (
            [act("place", 100, frozen_minor=100), act("complete", 80), act("reopen", 80, frozen_minor=90)],
            "held",
            90,
            0,
        ),
        ([act("sell", 100), act("take-back", 100)], "voided", 0, 0),
        ([act("place", 100, frozen_minor=100), act("expire", 0)], "expired", 0, 0),
    ],
)
def test_the_auditors_own_fold(acts: list[list[object]], state: str, held_minor: int, taken_minor: int) -> None:
    walk = Walk()
    for each in acts:
        assert walk.may(str(each[0]), int(str(each[2])))
        walk.go(each)
    assert (walk.state, walk.held_minor, walk.taken_minor) == (state, held_minor, taken_minor)


@pytest.mark.parametrize(
    ("acts", "never"),
    [
        ([act("place", 100)], act("place", 100)),
        ([act("place", 100), act("complete", 80)], act("complete", 1)),
        ([act("place", 100), act("complete-part", 80)], act("void", 100)),
        ([act("place", 100), act("complete-part", 80)], act("increase", 10)),
        ([act("place", 100), act("complete", 80)], act("reopen", 79)),
        ([act("place", 100), act("complete", 80), act("refund", 30)], act("refund", 51)),
        ([act("place", 100), act("complete", 80), act("refund", 30)], act("reopen", 80)),
        ([act("place", 100)], act("release", 0)),
        ([act("place", 100), act("void", 100)], act("expire", 0)),
    ],
)
def test_what_the_auditors_own_fold_does_not_allow(acts: list[list[object]], never: list[object]) -> None:
    walk = Walk()
    for each in acts:
        walk.go(each)
    assert not walk.may(str(never[0]), int(str(never[2])))
