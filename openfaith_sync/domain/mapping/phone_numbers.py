"""Telephone numbers: E.164 where the text is complete enough, else the text unchanged; extensions apart."""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


class Phone(NamedTuple):
    """What a text says of a telephone."""

    e164: str | None
    """The whole number; ``None`` where the text leaves out the area or is no number."""
    extension: str | None


@lru_cache(maxsize=4096)
def parse_phone(text: str, region: str | None) -> Phone:
    """Return the number in E.164 and the extension that the text holds.

    Args:
        text: As a person typed it.
        region: The alpha-2 code of the country it is dialled in; without one
            only numbers with a country calling code can be told.
    """
    # The package takes 20 ms to import, and sources that send E.164 never need it.
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        return Phone(None, None)
    # "Possible" asks for the length alone: "valid" knows assigned blocks only as
    # of the package's release, and refuses the 555 numbers that people invent.
    is_possible = phonenumbers.is_possible_number_with_reason(number) is phonenumbers.ValidationResult.IS_POSSIBLE
    if not is_possible or not _names_its_area(number, text, region):
        return Phone(None, number.extension)
    return Phone(str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)), number.extension)


def _names_its_area(number: "PhoneNumber", text: str, region: str | None) -> bool:
    """Return whether the text holds more than a number to dial within one town.

    Where all subscriber numbers have one length, the length has decided already. Elsewhere, as in
    Germany, a local number may be as long as a national one; then the trunk prefix decides, or a
    number that is only valid as a whole, such as a mobile number.
    """
    import phonenumbers  # noqa: PLC0415  as above

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None) if region else None
    if metadata is None or number.country_code_source != phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return True
    prefix, kinds = metadata.national_prefix, phonenumbers.PhoneNumberType
    possible = phonenumbers.is_possible_number_for_type_with_reason(number, kinds.FIXED_LINE_OR_MOBILE)
    if possible is phonenumbers.ValidationResult.IS_POSSIBLE:
        lengths = metadata.fixed_line.possible_length if metadata.fixed_line else ()
        if len(lengths) == 1 or (prefix and phonenumbers.normalize_digits_only(text).startswith(prefix)):
            return True
    is_dialled_locally = phonenumbers.number_type(number) == kinds.FIXED_LINE
    return phonenumbers.is_valid_number(number) and not (prefix and is_dialled_locally)
