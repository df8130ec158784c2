"""The place inside a pass survives being written down."""

import json

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace


def written_and_read(place: WalkPlace) -> WalkPlace:
    return WalkPlace.from_json(json.loads(json.dumps(place.to_json())))


def test_a_place_is_read_back_as_it_was_written() -> None:
    part = Slice(lower="a", upper="b", offset=3, anchor="7", seen=("6", "7"), remaining=9)
    place = WalkPlace((part, Slice(lower="b")), resumed_at="a", counted_children={EntityName("email"): 12})
    assert written_and_read(place) == place


def test_a_slice_that_is_done_needs_no_place_any_more() -> None:
    place = WalkPlace((Slice(upper="b", done=True), Slice(lower="b", offset=1)))
    assert written_and_read(place).slices == (Slice(lower="b", offset=1),)


def test_a_place_whose_slices_are_all_done_is_done_when_read_back() -> None:
    assert written_and_read(WalkPlace((Slice(done=True),))).is_done
    assert not written_and_read(WalkPlace()).is_done
