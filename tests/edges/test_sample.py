"""The sample: what it promises in DESIGN, and that nobody could take it for real."""

import json

from holdfast.domain.rules import DOMESTIC, habits_of, rules_of
from holdfast.edges import sample
from holdfast.ids import luhn_valid
from tests.running import holdfast
from tests.test_tidy import TEST_BINS


def test_the_shape_that_other_tools_rely_on() -> None:
    done = holdfast("sample", "--json")
    assert done.stdout.count("\n") == 1
    shown = json.loads(done.stdout)
    assert {"merchants", "terminals", "operators", "cards"} == set(shown)
    assert [row["mcc"] for row in shown["merchants"]][:3] == ["7011", "7512", "8062"]
    assert (len(shown["terminals"]), len(shown["cards"])) == (6, 22)
    assert all(set(row) == {"terminal_id", "merchant_id", "tmk"} for row in shown["terminals"])
    card = {"name", "pan", "expiry", "issuer", "available", "sequence", "service_code"}
    assert all(card <= set(row) for row in shown["cards"])
    assert len({row["issuer"] for row in shown["cards"]}) == 4
    assert all(type(row["available"]) is int for row in shown["cards"])


def test_a_person_sees_names_and_money() -> None:
    done = holdfast("sample")
    assert (done.returncode, done.stderr) == (0, "")
    assert "East Lake Hotel" in done.stdout
    assert "10000.00" in done.stdout


def test_every_card_is_a_test_card() -> None:
    pans = [row["pan"] for row in sample.CARDS]
    assert len(set(pans)) == len(pans)
    assert all(luhn_valid(pan) and pan.startswith(TEST_BINS) for pan in pans)


def test_every_key_is_derived_from_words_that_say_test() -> None:
    keys = [row["tmk"] for row in sample.TERMINALS]
    assert keys == [sample.test_key(f"terminal {row['terminal_id']}") for row in sample.TERMINALS]
    assert len(set(keys)) == len(keys)
    assert all(len(bytes.fromhex(key)) == 16 for key in keys)


def test_names_find_what_they_name() -> None:
    alice = sample.card("alice")
    assert alice is not None
    assert sample.card_by_pan(alice["pan"]) == alice
    assert (sample.card("nobody"), sample.card_by_pan("0"), sample.terminal("T9999999")) == (None, None, None)
    assert sample.terminal("T0000001") == {
        "terminal_id": "T0000001",
        "merchant_id": "104290070110001",
        "merchant_name": "东湖宾馆",
        "merchant_name_en": "East Lake Hotel",
        "tmk": sample.test_key("terminal T0000001"),
    }


def test_the_parties_are_given_what_belongs_together() -> None:
    acquirer, issuer = sample.for_acquirer("here"), sample.for_issuer()
    zone = {row["issuer_id"]: (row["zone_mac"], row["zone_pin"]) for row in acquirer["issuers"]}
    assert zone == {row["issuer_id"]: (row["zone_mac"], row["zone_pin"]) for row in issuer["links"]}
    merchants = {row["merchant_id"] for row in acquirer["merchants"]}
    assert {row["merchant_id"] for row in acquirer["terminals"]} == merchants
    assert {row["issuer_id"] for row in issuer["accounts"]} == set(zone)
    assert {row["issuer_id"] for row in acquirer["bins"]} == set(zone)
    assert {row["issuer_id"] for row in issuer["links"]} == set(zone)
    assert len({row["imk_ac"] for row in issuer["links"]}) == len(zone)


def test_there_is_a_foreign_card_of_each_scheme() -> None:
    schemes = {row["prefix"]: row["scheme"] for row in sample.for_acquirer("here")["bins"]}
    assert set(schemes.values()) == {DOMESTIC, "VIS", "MCC"}
    assert {schemes[row["pan"][:6]] for row in sample.CARDS} == set(schemes.values())


def test_one_merchant_has_rules_of_its_own_and_every_text_can_be_read() -> None:
    own = [rules_of(DOMESTIC, row["mcc"], "", "", "", row["rules"]) for row in sample.MERCHANTS]
    assert {(rules.ceiling_percent, rules.completions) for rules in own} == {(115, "one"), (100, "several")}
    assert habits_of(sample.ISSUERS[2]["habits"]).rest == "kept"
