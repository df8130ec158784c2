"""Remarks on a pass's report for people, beside its counts."""

from collections.abc import Iterator, Mapping

_COUNTED: Mapping[str, str] = {
    "counted_but_not_listed": "{} counted by the source but not in its listing",
    "listed_twice": "{} listed more than once",
    "unreadable": "{} listed, but not served by id",
    "places_stepped_over": "{} not served by the source and stepped over",
    "stamps_out_of_bounds": "{} dated before 1970 or after the source's clock",
    "dead_letters_replayed": "{} dead letters mapped again, since the manifest changed",
    "dead_letters_resolved": "{} of them stored",
    "listed_again_for": "listed again, since {} were missing after the first reading",
}
_SAID: Mapping[str, str] = {
    "page_size": "read in pages of {}, since the source did not serve larger ones",
    "not_included": "read without {}, which the source did not serve with it",
    "watermark_was_ahead": "everything was read again, since the watermark {} was later than the source's clock",
}


def remarks(report: Mapping[str, object]) -> Iterator[str]:
    """Yield one remark for each finding of a pass's report that is out of the ordinary."""
    for name, words in _COUNTED.items():
        count = report.get(name)
        if isinstance(count, int) and count:
            yield words.format(f"{count:,}")
    for name, words in _SAID.items():
        if report.get(name):
            yield words.format(report[name])
