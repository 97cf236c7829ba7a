"""Personal data is unreadable on screens of others and in logs."""

import pytest

from core.masking import mask_id_number, mask_log_event, mask_name, mask_phone, mask_text


@pytest.mark.parametrize(
    ("name", "masked"),
    [("", ""), ("张", "*"), ("张三", "张*"), ("张小三", "张*三"), ("欧阳小三", "欧**三")],
)
def test_names_keep_their_ends(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_numbers_keep_what_their_owner_recognises() -> None:
    assert mask_phone("13800000001") == "138****0001"
    assert mask_phone("123") == "***"
    assert mask_id_number("11010519491231002X") == "110***********002X"
    assert mask_id_number("E12345678") == "E******78"


def test_numbers_and_tokens_inside_a_text_are_masked() -> None:
    text = mask_text("电话13800000001，证件11010519491231002X, +8613900001111 ?ticket=abc.def&x=1")
    assert "13800000001" not in text
    assert "19491231" not in text
    assert "13900001111" not in text
    assert "abc.def" not in text
    assert "x=1" in text


def test_what_the_database_quotes_of_a_row_is_masked() -> None:
    told = "null value in column\\nDETAIL:  Failing row contains (1, 张小三)."
    assert "张小三" not in mask_text(told)
    assert mask_text("query argument $1: '张小三' (an integer is required)\nnext").endswith(
        "\nnext"
    )


def test_ids_and_timestamps_are_left_alone() -> None:
    text = "room 0199a1b2-13812345678f-7000 at 1763715600000"
    assert mask_text(text) == text


def test_the_log_processor_masks_by_field_and_by_content() -> None:
    entry = mask_log_event(
        None,
        "info",
        {
            "event": "login by 13800000001",
            "phone": "13800000001",
            "password": "correct horse",
            "body": {"real_name": "张小三", "token": "abc", "items": ["13800000001"]},
            "error": ValueError("13800000001"),
            "count": 3,
        },
    )
    rendered = repr(entry)
    for secret in ("13800000001", "correct horse", "张小三", "abc"):
        assert secret not in rendered
    assert entry["count"] == 3
