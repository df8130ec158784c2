"""What the columns of schema ``sync`` hold whose migrations do not say it, since the name says the same everywhere."""

from collections.abc import Mapping

from openfaith_sync.store.schema.changes import literal

USUAL: Mapping[str, str] = {
    "org_id": "The church; every statement is bound to one.",
    "adapter": "The source.",
    "entity": "The adapter's entity.",
    "external_id": "The source's id of the record.",
    "alert_id": "The alert.",
    "attempts": "How often it was tried.",
    "base_url": "The source's address.",
    "began_at": "When it began.",
    "begun_at": "When it began.",
    "body": "What is sent.",
    "checked_at": "When it was last checked at the source.",
    "chosen_at": "When it was chosen.",
    "completed_pass_id": "The last complete pass.",
    "created_at": "When the row was stored.",
    "decided_at": "When a person decided.",
    "ended_at": "When it ended; null while it is open.",
    "erasure_id": "Its number.",
    "every": "How often it is due.",
    "expires_at": "When it expires.",
    "field": "The field that could not be stored.",
    "first_missed_at": "When a listing first lacked it.",
    "first_pass_id": "The pass whose listing first lacked it.",
    "first_seen_at": "When it was first seen.",
    "gave_up_at": "When the last attempt failed.",
    "held_since": "Since when it is held.",
    "hold_id": "Its number.",
    "holder": "The process that holds it.",
    "last_failed_at": "When a request last failed.",
    "last_pass_id": "The last pass whose listing lacked it.",
    "last_seen_at": "When it was last seen.",
    "learnt_at": "When it was learnt.",
    "listed_at": "When it was listed.",
    "made_at": "When it was made.",
    "manifest_version": "The manifest that mapped the records.",
    "not_before": "When it is due.",
    "occurrences": "How often it was seen.",
    "outcome": "What became of it.",
    "pass_id": "The pass.",
    "previous_until": "Until when the previous secret is accepted as well.",
    "reason": "Why, in words.",
    "received_at": "When it was received.",
    "redirect_uri": "Where the source sends the person back to.",
    "released_at": "When it was released.",
    "requested_at": "When it was requested.",
    "seen_at": "When it was seen.",
    "sent_at": "When it was sent; null until then.",
    "severity": "How urgent it is.",
    "since": "Since when.",
    "started_at": "When it began.",
    "status_reason": "Why it has its status.",
    "status_since": "Since when it has its status.",
    "superseded_at": "When a newer version took its place.",
    "table_name": "The table that holds the records.",
    "asked_at": "When it was asked for.",
    "title": "Its first line.",
    "turned_on_at": "When it was turned on.",
    "updated_at": "When the row last changed.",
    "url": "Where events are sent.",
    "version_num": "The last migration that was applied.",
    "created": "How many records were new.",
    "updated": "How many records had changed.",
    "unchanged": "How many records were as stored.",
    "tombstoned": "How many records were marked deleted.",
    "dead": "How many records were set aside.",
    "pages": "How many pages were read.",
    "requests": "How many requests were sent.",
}
"""By the column's name."""


def usual_comments() -> str:
    """Return the statement that comments the columns of bookkeeping tables that have no comment yet."""
    known = ", ".join(f"({literal(name)}, {literal(said)})" for name, said in USUAL.items())
    return f"""DO $comments$
DECLARE silent record;
BEGIN
  FOR silent IN
    SELECT held.relname, own.attname, usual.said
    FROM pg_class held JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
    JOIN (VALUES {known}) usual (name, said) ON usual.name = own.attname
    WHERE held.relnamespace = 'sync'::regnamespace AND held.relkind IN ('r', 'p')
      AND col_description(held.oid, own.attnum) IS NULL
  LOOP
    EXECUTE format('COMMENT ON COLUMN sync.%I.%I IS %L', silent.relname, silent.attname, silent.said);
  END LOOP;
END
$comments$"""  # noqa: S608  our own constants
