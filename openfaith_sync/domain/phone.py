"""Telephone numbers: E.164 where the text says enough, else the text as it is."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def parse_phone(text: str, region: str | None) -> str:
    """Give the number in E.164; text that is no number stays as it came.

    Args:
        text: As a person typed it.
        region: The alpha-2 code of the country it is dialled in; without one
            only numbers with a country calling code can be told.
    """
    # The package takes 20 ms to import, and sources that send E.164 never need it.
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return text
    # "Possible" asks for the length alone: "valid" knows assigned blocks only as
    # of the package's release, and refuses the 555 numbers that people invent.
    if not phonenumbers.is_possible_number(number):
        return text
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
