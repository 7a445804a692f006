"""The SQL of the money path. What locks a tenant's counters is sent at once, so that they are locked as briefly as can be.

Counters are always locked in the order of their ids, whoever asks, so no two transactions wait for each other.
"""

# To the end of the transaction no limit is set or taken away; reservations keep each other out of nothing. Sent before
# APPLYING, whose snapshot begins after this is held: a limit counts what was reserved before it, or it is seen here.
KEEP_LIMITS = """
SELECT pg_advisory_xact_lock_shared(hashtextextended('guildhall limits ' || current_user, 0))
"""

# To the end of the transaction nothing new is reserved; waits for what is just being.
KEEP_SPENDERS_OUT = """
SELECT pg_advisory_xact_lock(hashtextextended('guildhall limits ' || current_user, 0))
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
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
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

# What a limit that is set in the middle of a window has already been used for, from the ledger.
SPENT_SINCE = """
SELECT coalesce(sum(spent_delta), 0) FROM governance_ledgerentry
WHERE counted_at >= %(starts)s AND (%(kind)s = 'tenant' OR (CASE %(kind)s WHEN 'project' THEN project
    WHEN 'strategy' THEN strategy WHEN 'story' THEN story WHEN 'task' THEN task WHEN 'run' THEN run
    WHEN 'api_key' THEN api_key END) = %(id)s)
"""

# How far an answer has come, for the case that its process dies; only the one that reserved it writes here.
NOTE = """
UPDATE governance_reservation SET noted_in = %(tokens_in)s, noted_out = greatest(noted_out, %(tokens_out)s),
    price_in = %(price_in)s, price_out = %(price_out)s, price_cached = %(price_cached)s
WHERE id = %(id)s AND state = 'open'
"""

# A limit set in the middle of a window also counts what is reserved at this moment.
JOIN_OPEN = """
UPDATE governance_reservation SET counters = counters || %(counter)s::bigint
WHERE state = 'open' AND reserved_at >= %(starts)s AND NOT counters @> ARRAY[%(counter)s::bigint]
    AND (%(kind)s = 'tenant' OR (CASE %(kind)s WHEN 'project' THEN project
    WHEN 'strategy' THEN strategy WHEN 'story' THEN story WHEN 'task' THEN task WHEN 'run' THEN run
    WHEN 'api_key' THEN api_key END) = %(id)s)
RETURNING amount
"""
