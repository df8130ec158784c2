"""The defaults of a deployment, each said here and nowhere else.

The first four and the intervals can be set for one org (``openfaith-sync org set``). What differs between
sources stands in their manifests: rate limits, page sizes, retries.
"""

from datetime import timedelta

DELETION_COUNT = 10
DELETION_SHARE = 0.1
"""Deletions wait for a person when more than this number *and* more than this share of an entity would go."""

REJECTED_SHARE = 0.2
"""A sync fails when a larger share of an entity's records is set aside as dead letters."""

HISTORY_MONTHS = 24
"""How far back records are read that cost a request for each parent, where the manifest says `history`."""

DELTA_EVERY = timedelta(minutes=15)
LONG_LISTING_EVERY = timedelta(hours=1)
"""For an entity whose changes show only in its whole listing, of more than one page: each look costs all its pages."""
SUBSCRIPTIONS_EVERY = timedelta(days=1)

OVERLAP = timedelta(minutes=5)
"""How far a delta looks back below the watermark, where the manifest does not say. A source may show a record a
moment after the version that it stamps on it. Looking back costs some repeated upserts, which change nothing;
not looking back loses the record for good."""

LEASE_LASTS = timedelta(minutes=30)
"""How long the holder of a lease may be silent. A single request to a source is given up after ten minutes, so a
holder that is silent for longer than this is stopped or hangs; should it only be slow, ending its session costs
one retry."""
