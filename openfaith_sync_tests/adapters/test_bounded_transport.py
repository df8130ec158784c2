"""What the pools below httpx raise is raised as httpx's own errors."""

import httpcore
import httpx
import pytest

from openfaith_sync.adapters.client.bounded_transport import ERRORS, translated

# Raised and caught within the pools.
INTERNAL = {httpcore.ConnectionNotAvailable}
RAISED = [
    kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, Exception)
]  # fmt: skip


def test_every_error_of_the_pools_has_one_of_httpx() -> None:
    assert set(RAISED) - INTERNAL == set(ERRORS)


@pytest.mark.parametrize("kind", sorted(ERRORS, key=str))
def test_an_error_becomes_the_one_of_the_same_name(kind: type[Exception]) -> None:
    with pytest.raises(getattr(httpx, kind.__name__)) as caught, translated():
        raise kind("said")
    assert type(caught.value).__name__ == kind.__name__
    assert str(caught.value) == "said"
    assert isinstance(caught.value.__cause__, kind)


def test_other_errors_go_through() -> None:
    with pytest.raises(LookupError), translated():
        raise LookupError
