"""How often processes of the tests look for garbage."""

import gc

# Python looks after every 700 objects, a twentieth of the tests' processor time, and finds hardly any.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def expect_little_garbage() -> None:
    """Keep what there is by now, mostly imported, and look rarely; forks of this process do the same."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
