"""What a world is made of: time, a network, keys, a log read again."""

from random import Random

import pytest

from holdfast.errors import KeyRefused
from holdfast.keys.interface import Keys
from holdfast.register.tree import EMPTY, append, root
from holdfast.sim.faults import COPY, LEVELS, LOSS, Faults, Hostility
from holdfast.sim.keys import SimKeys
from holdfast.sim.logbook import Tree
from holdfast.sim.network import Network
from holdfast.sim.scheduler import Scheduler, Stuck
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import frame


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
    faults = Faults(Hostility(dict.fromkeys(LEVELS, 0.0) | {kind: rate}), Random(1))
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
    near, far = Network(scheduler, Faults(Hostility.none(), Random(1))).connect(UNIONPAY, "near", "far")
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
