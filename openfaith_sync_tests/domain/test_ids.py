import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.ids import AdapterName, EntityName, IdDeriver, OrgId, derive_entity_id

ORG, PCO, PERSON = OrgId("grace"), AdapterName("pco"), EntityName("person")
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def derive_slowly(org: str, adapter: str, entity: str, external_id: str) -> str:
    """Derive an id the way its description reads, bit by bit."""
    digest = hashlib.blake2b(f"{org}\0{adapter}\0{entity}\0{external_id}".encode(), digest_size=26).digest()
    bits = "".join(f"{byte & 31:05b}" for byte in digest)[2:]
    number = uuid.UUID(int=int(bits, 2)).int
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return f"{entity}_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def uuid_of(entity_id: str) -> uuid.UUID:
    number = 0
    for digit in entity_id.rpartition("_")[2]:
        number = number << 5 | CROCKFORD.index(digit)
    return uuid.UUID(int=number)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(names, names, st.from_regex(r"[a-z][a-z_]{0,10}[a-z]", fullmatch=True), names)
def test_an_id_is_what_its_description_says(org: str, adapter: str, entity: str, external_id: str) -> None:
    found = derive_entity_id(OrgId(org), AdapterName(adapter), EntityName(entity), external_id)
    assert found == derive_slowly(org, adapter, entity, external_id)


@given(names)
def test_an_id_is_a_type_id_of_a_uuid_of_version_8(external_id: str) -> None:
    found = derive_entity_id(ORG, PCO, PERSON, external_id)
    prefix, _, suffix = found.rpartition("_")
    assert prefix == "person"
    assert len(suffix) == 26
    assert suffix[0] <= "7"
    assert uuid_of(found).version == 8
    assert uuid_of(found).variant == uuid.RFC_4122


@pytest.mark.parametrize(
    "other", [("other", "pco", "person", "1"), ("grace", "ccb", "person", "1"), ("grace", "pco", "email", "1")]
)
def test_org_adapter_and_entity_are_part_of_the_id(other: tuple[str, str, str, str]) -> None:
    org, adapter, entity, external_id = other
    found = derive_entity_id(OrgId(org), AdapterName(adapter), EntityName(entity), external_id)
    assert uuid_of(found) != uuid_of(derive_entity_id(ORG, PCO, PERSON, "1"))


def test_ten_thousand_ids_differ() -> None:
    derive = IdDeriver(ORG, PCO, PERSON)
    assert len({derive(str(number)) for number in range(10_000)}) == 10_000


def test_an_id_stays_what_it_was_in_the_last_release() -> None:
    assert derive_entity_id(ORG, PCO, PERSON, "1") == "person_1rs1cvz23qh32bv76r8vqgbmnx"
