"""Names of logs before and after a restore."""

from holdfast.domain.generations import GENERATIONS, generation_of, is_of, names_in, unused
from holdfast.domain.records import ACQUIRER_LOGS, ISSUER_LOGS
from holdfast.ids import entry_id, parse_entry_id, rrn_of


def test_a_generation_names_the_logs_anew() -> None:
    assert names_in("", ("A", "B")) == ("A", "B")
    assert names_in("Q", ("A", "B")) == ("QA", "QB")
    assert [generation_of(log) for log in ("A", "QA", "QI")] == ["", "Q", "Q"]


def test_each_log_belongs_to_one_party() -> None:
    everything = [log for generation in ("", *GENERATIONS) for log in names_in(generation, ACQUIRER_LOGS + ISSUER_LOGS)]
    assert len(set(everything)) == len(everything)
    for log in everything:
        assert is_of(log, ACQUIRER_LOGS) is not is_of(log, ISSUER_LOGS)
    assert not any(is_of(log, ACQUIRER_LOGS) for log in ("", "J", "QQA", "1A", "IA"))


def test_ids_and_reference_numbers_of_two_letters_are_like_those_of_one() -> None:
    assert parse_entry_id(entry_id("QA", 7)) == ("QA", 7)
    assert rrn_of("QA", 7) == "QA0000000007"
    assert len(rrn_of("QA", 9_999_999_999)) == len(rrn_of("A", 1)) == 12


def test_a_generation_of_which_a_log_is_known_is_used() -> None:
    assert unused(["A", "I"]) == GENERATIONS
    assert set(GENERATIONS) - set(unused(["A", "QA", "XI"])) == {"Q", "X"}
    assert unused(names for letter in GENERATIONS for names in names_in(letter, ("A",))) == ""
