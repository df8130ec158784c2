"""Tune the interpreter for a walk, and restore it afterwards.

Measured on two cores, a full sync of 60,000 records, medians of four interleaved runs:
12,000 records a second as Python starts, 13,100 with a collection every 100,000
allocations, 14,400 with the switch interval as well. Every 10,000 is what is set: it
keeps peak memory at 104 MB where 100,000 took 130.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# A page is some ten thousand short-lived dicts and lists, and a few cycles around its
# HTTP answer. Python's default looks for cycles after every 700 of them; more than
# this, and the answers that wait for it take tens of megabytes.
ALLOCATIONS_BETWEEN_COLLECTIONS = 10_000

# The thread that commits waits for the database many times a page, and each time
# for the interpreter's lock, which a thread that maps gives back only after this time.
SWITCH_INTERVAL_SECONDS = 0.0005


@contextmanager
def tuned_for_pages() -> Iterator[None]:
    """Run the block with settings for a few threads and many short-lived objects."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, *thresholds[1:])
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
