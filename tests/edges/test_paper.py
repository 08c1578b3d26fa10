"""Text on thirty-two columns of paper: nothing is cut off, and nothing stands out."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.edges.paper import WIDTH, centred, columns, indented, labelled, sides, wrapped

TEXTS = st.text(st.sampled_from("ab 12，。中文号码*-"), max_size=120)


def test_a_chinese_character_takes_two_columns() -> None:
    assert (columns("RMB 500.00"), columns("金额"), columns("，")) == (10, 4, 2)


def test_lines_break_between_words_and_not_before_punctuation() -> None:
    assert wrapped("keep the slip, call the acquirer now") == ["keep the slip, call the acquirer", "now"]
    assert wrapped("一二三四五六七八九十一二三四五六，好") == ["一二三四五六七八九十一二三四五", "六，好"]


def test_a_word_that_is_longer_than_the_paper_is_cut() -> None:
    assert wrapped("x" * 70) == ["x" * 32, "x" * 32, "x" * 6]


def test_a_value_moves_up_to_its_label_before_it_wraps() -> None:
    assert labelled("CARD NO", "620000******0005 S") == ["CARD NO:     620000******0005 S"]
    assert labelled("CARD NO", "620000*********0005 S") == ["CARD NO: 620000*********0005 S"]
    assert labelled("MERCHANT", "The Grand Hotel on the Lake") == ["MERCHANT: The Grand Hotel on the", "Lake"]


def test_two_sides_share_a_line_while_there_is_room() -> None:
    assert sides("净额", "RMB 1.00") == ["净额" + " " * 20 + "RMB 1.00"]
    assert sides("x" * 20, "y" * 12) == ["x" * 20, " " * 20 + "y" * 12]
    assert sides("left", "") == ["left"]


@given(TEXTS)
def test_nothing_is_lost_and_nothing_stands_out(text: str) -> None:
    for lines in (wrapped(text), centred(text), indented(text, "> "), labelled("备注", text), sides("甲", text[:14])):
        assert all(columns(line) <= WIDTH for line in lines)
    assert "".join("".join(wrapped(text)).split()) == "".join(text.split())
