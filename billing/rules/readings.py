"""What Postgres itself refuses about readings, whoever asks: the SQL of a migration."""

from __future__ import annotations

from typing import Final

from homes.row_security import append_only

GUARDED: Final = (
    "billing_rawmessage",
    "billing_reading",
    "billing_quarantine",
    "billing_deviceepoch",
    "billing_dueday",
)
"""Tables with a home_id whose rows follow the visibility of that home."""

DAY_ARRAYS: Final = """
ALTER TABLE billing_reading
  ADD CONSTRAINT reading_is_a_day CHECK (
    cardinality(wh) IN (92, 94, 96, 98, 100) AND array_ndims(wh) = 1 AND array_lower(wh, 1) = 1),
  ADD CONSTRAINT reading_has_numbers CHECK (array_position(wh, NULL) IS NULL AND 0 <= ALL (wh)),
  ADD CONSTRAINT reading_has_qualities CHECK (length(qualities) = cardinality(wh) AND qualities ~ '^[-qerma]+$'),
  ADD CONSTRAINT reading_version_counts CHECK (version >= 1);
"""

VERSIONS: Final = """
CREATE FUNCTION billing_reading_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before record;
BEGIN
  IF NEW.version = 1 THEN RETURN NEW; END IF;
  SELECT wh, qualities INTO before FROM billing_reading
    WHERE home_id = NEW.home_id AND channel = NEW.channel AND source = NEW.source AND "on" = NEW."on"
    AND version = NEW.version - 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a gap in the versions: there is no version % before %', NEW.version - 1, NEW.version
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF cardinality(before.wh) <> cardinality(NEW.wh) THEN
    RAISE EXCEPTION 'the day had % quarter-hours before', cardinality(before.wh) USING ERRCODE = 'restrict_violation';
  END IF;
  IF before.wh = NEW.wh AND before.qualities = NEW.qualities THEN
    RAISE EXCEPTION 'nothing new: version % says the same', NEW.version - 1 USING ERRCODE = 'restrict_violation';
  END IF;
  -- Of quality m and a nothing less may follow, of r no estimate; q is a question about any of them.
  IF EXISTS (SELECT 1 FROM generate_series(1, length(NEW.qualities)) i
             WHERE substr(before.qualities, i, 1) IN ('m', 'a') AND substr(NEW.qualities, i, 1) IN ('-', 'e', 'r')
             OR substr(before.qualities, i, 1) = 'r' AND substr(NEW.qualities, i, 1) IN ('-', 'e')) THEN
    RAISE EXCEPTION 'an estimate over a measured value' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON billing_reading FOR EACH ROW EXECUTE FUNCTION billing_reading_follows();
"""

ERASURE: Final = """
CREATE FUNCTION billing_message_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.body IS NOT NULL AND NEW.body IS NULL AND NEW.erased_at IS NOT NULL
    AND (OLD.id, OLD.home_id, OLD.source, OLD.key, OLD.name, OLD."on", OLD.received_at)
      IS NOT DISTINCT FROM (NEW.id, NEW.home_id, NEW.source, NEW.key, NEW.name, NEW."on", NEW.received_at)
  THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'billing_rawmessage is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON billing_rawmessage
  FOR EACH ROW EXECUTE FUNCTION billing_message_stays();
"""

ANSWERS: Final = """
CREATE FUNCTION billing_quarantine_answered_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.state = 'open' AND NEW.state <> 'open'
    AND (OLD.id, OLD.home_id, OLD.channel, OLD.source, OLD.started_at, OLD.ended_at, OLD.wh, OLD.problem, OLD.detail,
         OLD.message_id, OLD.opened_at)
      IS NOT DISTINCT FROM (NEW.id, NEW.home_id, NEW.channel, NEW.source, NEW.started_at, NEW.ended_at, NEW.wh,
         NEW.problem, NEW.detail, NEW.message_id, NEW.opened_at)
  THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'a quarantine is answered once and otherwise stays as it is: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER answered_once BEFORE UPDATE OR DELETE ON billing_quarantine
  FOR EACH ROW EXECUTE FUNCTION billing_quarantine_answered_once();
ALTER TABLE billing_quarantine ADD CONSTRAINT quarantine_on_the_grid CHECK (
  array_position(wh, NULL) IS NULL AND (cardinality(wh) = 0 OR
    cardinality(wh) * interval '15 min' = ended_at - started_at));
"""


def everything_sql() -> list[str]:
    """All statements, in order."""
    return [
        DAY_ARRAYS,
        VERSIONS,
        append_only("billing_reading"),
        ERASURE,
        ANSWERS,
        append_only("billing_deviceepoch"),
    ]
