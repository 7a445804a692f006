"""The SQL of the money path. What locks a tenant's counters is sent at once, so that they are locked as briefly as can be.

Counters are always locked in the order of their ids, whoever asks, so no two transactions wait for each other.
"""

from governance.scopes import ScopeKind

# To the end of the transaction no limit is set or taken away; reservations keep each other out of nothing. Sent before
# APPLYING, whose snapshot begins after this is held: a limit counts what was reserved before it, or it is seen here.
KEEP_LIMITS = """
SELECT pg_advisory_xact_lock_shared(hashtextextended('guildhall limits ' || current_user, 0))
"""

# To the end of the transaction nothing new is reserved; waits for what is just being.
KEEP_SPENDERS_OUT = """
SELECT pg_advisory_xact_lock(hashtextextended('guildhall limits ' || current_user, 0))
"""

# How some counters stand: what may be spent, and what of it is neither spent nor reserved.
STANDING = """
SELECT id, "limit", "limit" - spent - reserved FROM governance_budgetcounter WHERE id = ANY(%(counters)s)
"""

# The limits that apply to some scopes now, each with its counter's id (NULL in a window's first reservation). A limit
# of the scope's own counts before the default of its kind. %(kinds)s and %(ids)s are arrays of equal length.
APPLYING = """
SELECT own.scope_kind, own.scope_id, own."window", own.starts, own.amount, counter.id
FROM (
    SELECT DISTINCT ON (scope.kind, scope.id, "window")
        scope.kind AS scope_kind, scope.id AS scope_id, "window", amount,
        CASE "window" WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00' ELSE date_trunc("window", now(), 'UTC') END
            AS starts
    FROM unnest(%(kinds)s::text[], %(ids)s::text[]) AS scope (kind, id)
    JOIN governance_budgetlimit ON scope_kind = scope.kind AND scope_id IN (scope.id, '')
    ORDER BY scope.kind, scope.id, "window", scope_id DESC
) own
LEFT JOIN governance_budgetcounter counter
    ON (counter.scope_kind, counter.scope_id, counter."window", counter.window_start)
     = (own.scope_kind, own.scope_id, own."window", own.starts)
ORDER BY own.scope_kind, own.scope_id, own."window"
"""

# Whoever changes a limit holds its row; so a counter is never made from an amount that is just being changed.
HOLD_LIMITS = """
SELECT id FROM governance_budgetlimit
WHERE scope_kind = ANY(%(kinds)s) AND scope_id IN ('', %(id)s) ORDER BY id FOR SHARE
"""

MAKE_COUNTER = """
INSERT INTO governance_budgetcounter (scope_kind, scope_id, "window", window_start, "limit")
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""

# Sent with MOVE, ahead of it: its snapshot begins after the locks are held, so it sees the newest rows.
# Without it, a statement that had to wait for its locks could judge by what it saw before it waited.
HOLD_COUNTERS = """
SELECT id FROM governance_budgetcounter WHERE id = ANY(%(counters)s) ORDER BY id FOR UPDATE
"""

# In the migration that makes it (0009). It refuses by an error that names a constraint, so that a COMMIT sent with it is
# not carried out: `budget_counter_made`, `reservation_key_once`, or `budget_room` with the tightest limit as its detail.
RESERVE = "SELECT since, until FROM governance_reserve(%(asked)s::jsonb)"

# `overrun` grows by what truth adds beyond the limit: a call is charged what it cost even where that was not foreseen.
MOVE = """
WITH locked AS MATERIALIZED (
    SELECT id FROM governance_budgetcounter WHERE id = ANY(%(counters)s) ORDER BY id FOR UPDATE
)
UPDATE governance_budgetcounter counter
SET reserved = counter.reserved - %(free)s, spent = counter.spent + %(cost)s,
    overrun = greatest(counter.overrun,
                       counter.spent + %(cost)s + counter.reserved - %(free)s - counter."limit")
FROM locked WHERE counter.id = locked.id
RETURNING counter.id, counter.scope_kind, counter.scope_id, counter."window", counter."limit", counter.spent,
    counter.alerted
"""

# How far an answer has come, for the case that its process dies; only the one that reserved it writes here.
NOTE = """
UPDATE governance_reservation SET noted_in = %(tokens_in)s, noted_out = greatest(noted_out, %(tokens_out)s),
    price_in = %(price_in)s, price_out = %(price_out)s, price_cached = %(price_cached)s
WHERE id = %(id)s AND state = 'open'
"""

# Two kinds of work keep each other out: counting anew what a scope has used, by a counter that is made or changed, and
# moving what has ended already, a late charge or a correction. What is open needs neither: its own row is locked.
KEEP_CORRECTIONS_OUT = """
SELECT pg_advisory_xact_lock_shared(hashtextextended('guildhall corrections ' || current_user, 0))
"""
KEEP_COUNTING_OUT = """
SELECT pg_advisory_xact_lock(hashtextextended('guildhall corrections ' || current_user, 0))
"""

# The window of a counter; days are of 24 hours, whatever zone the session is in.
_WITHIN = """>= counter.window_start AND {time} < CASE counter."window" WHEN 'hour' THEN counter.window_start + interval '1 hour'
    WHEN 'day' THEN counter.window_start + interval '24 hours' ELSE 'infinity' END"""

# A reservation's own id of the kind that a counter is of; the organisation's is "", an agent's column holds its reference.
_OWN = """CASE counter.scope_kind WHEN 'tenant' THEN '' WHEN 'project' THEN held.project WHEN 'strategy' THEN held.strategy
    WHEN 'story' THEN held.story WHEN 'task' THEN held.task WHEN 'run' THEN held.run WHEN 'api_key' THEN held.api_key
    WHEN 'agent' THEN substr(held.agent, length('agent:') + 1) END"""

# By kind, whether a line of the ledger is a counter's; so that the index of the kind's column is used where there is one.
OWNED = {
    **{kind: f"held.{kind} = counter.scope_id AND held.{kind} <> ''" for kind in ScopeKind if kind != ScopeKind.TENANT},
    ScopeKind.AGENT: "held.agent = 'agent:' || counter.scope_id AND held.agent <> ''",
}

_MISSED = f"""FROM governance_budgetcounter counter WHERE counter.id = ANY(%(counters)s) AND counter.scope_id = {_OWN}
    AND NOT held.counters @> ARRAY[counter.id] AND held.reserved_at {_WITHIN.format(time="held.reserved_at")}"""

# What is reserved at this moment counts in these counters too from now on. In one statement whatever kinds they are of,
# and in the order of the rows' ids: others do the same for other counters at the same time.
JOIN_OPEN = f"""
WITH missing AS MATERIALIZED (
    SELECT held.id FROM governance_reservation held WHERE held.state = 'open' AND EXISTS (SELECT 1 {_MISSED})
    ORDER BY held.id FOR UPDATE
)
UPDATE governance_reservation held SET counters = held.counters || ARRAY(SELECT counter.id {_MISSED} ORDER BY counter.id)
FROM missing WHERE held.id = missing.id AND held.state = 'open'
"""  # noqa: S608 - parts of this file

# Sent behind HOLD_COUNTERS: what was just being settled is in the ledger by then, or moves these counters afterwards.
# %(amount)s is the new limit, NULL to keep it. {own} is the ledger's column of the counters' kind, so that its index is used.
# OFFSET 0 has each sum made once.
COUNT_ANEW = f"""
UPDATE governance_budgetcounter kept
SET "limit" = truth."limit", reserved = truth.reserved, spent = truth.spent, alerted = 0,
    overrun = greatest(kept.overrun, truth.reserved + truth.spent - truth."limit")
FROM (
    SELECT counter.id, coalesce(%(amount)s, counter."limit") AS "limit",
        (SELECT coalesce(sum(held.amount), 0) FROM governance_reservation held
            WHERE held.state = 'open' AND held.counters @> ARRAY[counter.id]) AS reserved,
        (SELECT coalesce(sum(held.spent_delta), 0) FROM governance_ledgerentry held
            WHERE {{own}}
            AND held.counted_at {_WITHIN.format(time="held.counted_at")}) AS spent
    FROM governance_budgetcounter counter WHERE counter.id = ANY(%(counters)s) OFFSET 0
) truth
WHERE kept.id = truth.id
RETURNING kept.id
"""  # noqa: S608 - parts of this file

# All counters that there are by now of some scopes, in the windows that a time belongs to.
COUNTING = f"""
SELECT counter.id FROM unnest(%(kinds)s::text[], %(ids)s::text[]) AS scope (kind, id)
JOIN governance_budgetcounter counter ON (counter.scope_kind, counter.scope_id) = (scope.kind, scope.id)
WHERE %(at)s {_WITHIN.format(time="%(at)s")} ORDER BY counter.id
"""  # noqa: S608 - parts of this file
