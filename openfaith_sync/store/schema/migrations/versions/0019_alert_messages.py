"""The outbox of alerts: one row for each message to each place, kept until it was accepted."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# One statement, so that nothing lies between its parts.
OUTBOX = """
ALTER TABLE sync.alerts
  ADD COLUMN severity text NOT NULL DEFAULT 'critical',
  ADD COLUMN command text;
CREATE TABLE sync.alert_messages (
  message_id uuid CONSTRAINT alert_messages_pkey PRIMARY KEY,
  alert_id bigint NOT NULL CONSTRAINT alert_messages_alert_fkey REFERENCES sync.alerts ON DELETE CASCADE,
  target text COLLATE "C" NOT NULL,
  number integer NOT NULL,
  place text NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL,
  title text NOT NULL,
  body text NOT NULL,
  is_general boolean NOT NULL,
  orgs integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  not_before timestamptz NOT NULL DEFAULT now(),
  claimed_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  failure text,
  sent_at timestamptz,
  gave_up_at timestamptz,
  CONSTRAINT alert_messages_number_key UNIQUE (alert_id, target, number)
);
CREATE INDEX alert_messages_waiting_idx ON sync.alert_messages (target, created_at)
  WHERE sent_at IS NULL AND gave_up_at IS NULL;
COMMENT ON TABLE sync.alert_messages IS 'What is told of alerts: a row for each message to each place.';
COMMENT ON COLUMN sync.alert_messages.message_id IS 'Is in the text, so that a repetition is recognized.';
COMMENT ON COLUMN sync.alert_messages.target IS 'A digest of the URL it goes to, which holds secrets.';
COMMENT ON COLUMN sync.alert_messages.number IS 'Its place among the messages to this target about this alert.';
COMMENT ON COLUMN sync.alert_messages.place IS 'What of the URL may be shown.';
COMMENT ON COLUMN sync.alert_messages.kind IS 'opened, joined or recovered.';
COMMENT ON COLUMN sync.alert_messages.is_general IS 'Whether it says that every org is affected.';
COMMENT ON COLUMN sync.alert_messages.orgs IS 'How many orgs the messages so far counted.';
COMMENT ON COLUMN sync.alert_messages.claimed_until IS 'Until then a process is sending it.';
COMMENT ON COLUMN sync.alert_messages.failure IS 'Why it was not accepted last time.';
COMMENT ON COLUMN sync.alerts.severity IS 'critical: syncs stand still; warning: something else needs a person.';
COMMENT ON COLUMN sync.alerts.command IS 'The command that helps, if there is one.'
"""


def upgrade() -> None:
    op.execute(OUTBOX)
