import pytest

from openfaith_sync.domain.mapping.phone_numbers import Phone, parse_phone
from openfaith_sync.domain.mapping.vocabulary import parse_country, parse_gender, parse_status


@pytest.mark.parametrize(
    ("text", "gender"),
    [("Male", "male"), ("M", "male"), (" female ", "female"), ("f", "female"), ("", None), ("other", None)],
)
def test_a_gender_is_male_female_or_nothing(text: str, gender: str | None) -> None:
    assert parse_gender(text) == gender


@pytest.mark.parametrize(
    ("text", "status"),
    [("active", "active"), ("Inactive", "inactive"), ("pending", "active"), ("", "active")],
)
def test_only_the_inactive_are_inactive(text: str, status: str) -> None:
    assert parse_status(text) == status


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[("US", "US"), ("us", "US"), ("USA", "US"), ("United States", "US"), (" germany ", "DE"), ("UK", "GB")],
        *[("XK", "XK"), ("ZZ", None), ("", None), ("Middle-earth", None)],
    ],
)
def test_a_country_is_its_iso_code_or_nothing(text: str, code: str | None) -> None:
    assert parse_country(text) == code


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("(555) 555-9765", "US", "+15555559765"),
        ("+49 731 123456", None, "+49731123456"),
        ("0731 123456", "DE", "+49731123456"),
        ("555-9765", None, None),
        ("555", "US", None),
        ("(555) 555-9765", "ZZ", None),
        ("ask Ann", "US", None),
        ("", "US", None),
        ("\0", "US", None),
    ],
)
def test_a_number_is_e164_or_no_whole_number(text: str, region: str | None, number: str | None) -> None:
    assert parse_phone(text, region) == Phone(number, None)
