-- name: add_to_counters ()
-- Add counts to the totals, in the order of names, so that two processes cannot deadlock.
INSERT INTO counters (name, value)
SELECT name, number
FROM unnest(%(names)s::text[], %(numbers)s::bigint[]) AS counted (name, number)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value

-- name: cancel (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb)
-- Cancel a task that has not begun. Of a running task only record the request; its worker receives it with the next
-- heartbeat.
UPDATE tasks
SET state = CASE WHEN state = 'scheduled' THEN 'cancelled' ELSE state END,
    finished_at = CASE WHEN state = 'scheduled' THEN clock_timestamp() END,
    cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
WHERE id = %(id)s AND (state IS NOT DISTINCT FROM 'scheduled' OR state IS NOT DISTINCT FROM 'running')
RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error

-- name: claim (text,text,text,smallint,smallint,"double precision","timestamp with time zone")
-- Claim tasks for our own workers. clock_timestamp(), because now() is the start of the transaction. IS NOT DISTINCT
-- FROM keeps the planner on the primary key: with `=` and statistics it prefers an index on state, and reads every
-- scheduled row to find a hundred (7 to 9 times slower).
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = NULL
WHERE id = ANY(%(ids)s::uuid[])
  AND state IS NOT DISTINCT FROM 'scheduled'
  AND due_at <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING id::text, type, payload::text, attempt, max_attempts, timeout_s, execute_at

-- name: claimed_by (text,text,text,smallint,smallint,"double precision","timestamp with time zone")
-- The tasks that a claim with this token won. Used when the answer of the claim was lost.
SELECT id::text, type, payload::text, attempt, max_attempts, timeout_s, execute_at
FROM tasks
WHERE id = ANY(%(ids)s::uuid[]) AND state IS NOT DISTINCT FROM 'running' AND claim_token = %(token)s::uuid

-- name: clock ("timestamp with time zone")
SELECT clock_timestamp()

-- name: counters (text,bigint)
SELECT name, value
FROM counters

-- name: delete (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb)
-- Delete a task, only if it never began. This one statement decides.
UPDATE tasks
SET state = 'deleted', deleted_at = clock_timestamp()
WHERE id = %(id)s AND state IS NOT DISTINCT FROM 'scheduled' AND attempt = 0
RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error

-- name: due_between (text,text,"timestamp with time zone")
-- One page, in order, of the scheduled tasks of a type that are due in [after, until). `after_id` resumes within an
-- instant.
SELECT task.id::text, task.type, task.due_at AS at
FROM tasks AS task
WHERE state = 'scheduled'
  AND type = %(type)s
  AND (due_at, id) > (%(after)s::timestamptz, %(after_id)s::uuid)
  AND due_at < %(until)s::timestamptz
ORDER BY task.due_at, task.id  -- `id` alone would be the selected text, by which no index is ordered
LIMIT %(limit)s

-- name: early_total (bigint)
-- Count starts before their time. A partial index holds nothing else.
SELECT count(*)
FROM (SELECT FROM tasks WHERE lag_ms < 0 LIMIT %(most)s) AS early

-- name: extend_lease (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb,uuid,"timestamp with time zone",boolean)
-- Heartbeat of an outside worker: a new lease, if the old one still holds.
UPDATE tasks
SET lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s AND state IS NOT DISTINCT FROM 'running' AND claim_token = %(token)s
  AND lease_expires_at > clock_timestamp()
RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at, cancel_requested_at IS NOT NULL AS cancel_requested

-- name: finish (bigint,text,text,"timestamp with time zone")
-- Write outcomes, each only while its claim holds. They are decided in code, with one exception: a task that is to
-- be cancelled is not tried again. Tasks are found by their ids. The test for `running` is compared with a column of
-- the outcome, which is always true, so that the planner cannot evaluate it first: it expects few running rows, and
-- would join each of them with each outcome. Returns the number of rows written, and those of them that are tried again
-- (one row of nulls if there is none).
WITH written AS (
    UPDATE tasks AS task
    SET state = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NOT NULL THEN 'cancelled'
                     ELSE outcome.state END,
        finished_at = CASE WHEN outcome.retry_in_s IS NULL OR cancel_requested_at IS NOT NULL
                           THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NULL
                               THEN clock_timestamp() + make_interval(secs => outcome.retry_in_s) END,
        error = outcome.error::jsonb,
        lease_expires_at = NULL,
        result = outcome.result::jsonb
    FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(results)s::text[], %(errors)s::text[],
                %(retries_in_s)s::float8[]) AS outcome (id, token, state, result, error, retry_in_s)
    WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
      AND (task.state = 'running' AND (task.lease_expires_at IS NULL OR task.lease_expires_at > clock_timestamp()))
          = (outcome.token IS NOT NULL)
    RETURNING task.id, task.type, task.state, task.due_at
)
SELECT number AS written, again.id::text, again.type, again.due_at AS at
FROM (SELECT count(*) AS number FROM written) AS counted
LEFT JOIN written AS again ON again.state = 'scheduled'

-- name: finished_by (text,text,"timestamp with time zone")
-- Which of these outcomes are stored already. Used when fewer were written than were sent, or an answer was lost.
SELECT task.id::text, task.type, CASE WHEN task.state = 'scheduled' THEN task.next_attempt_at END AS at
FROM tasks AS task, unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS outcome (id, token)
WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = outcome.id AND task.claim_token = outcome.token
  AND (task.state <> 'running') = (outcome.token IS NOT NULL)  -- as in finish.sql

-- name: get (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb)
SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
FROM tasks
WHERE id = %(id)s

-- name: get_many (text,"timestamp with time zone","timestamp with time zone")
-- Which of these tasks are stored. Used when it is unknown whether an insert was committed.
SELECT id::text, execute_at, created_at
FROM tasks
WHERE id = ANY(%(ids)s::uuid[])

-- name: hand_back (text,text,"timestamp with time zone")
-- Hand back claims whose code has not begun. The attempt is not counted. A task that is to be cancelled is cancelled.
UPDATE tasks AS task
SET state = CASE WHEN cancel_requested_at IS NULL THEN 'scheduled'::task_state ELSE 'cancelled' END,
    finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN clock_timestamp() END,
    attempt = attempt - 1,
    started_at = NULL,
    lag_ms = CASE WHEN attempt > 1 THEN lag_ms END,
    worker_id = NULL,
    claim_token = NULL,
    lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held (id, token)
WHERE task.id = ANY(%(ids)s::uuid[]) AND task.id = held.id AND task.claim_token = held.token
  AND (task.state = 'running' AND (task.lease_expires_at IS NULL OR task.lease_expires_at > clock_timestamp()))
      = (held.token IS NOT NULL)  -- as in finish.sql
RETURNING task.id::text, task.type, task.due_at AS at

-- name: heartbeat (text)
-- Renew the row of a worker process. Returns those of its running tasks that are to be cancelled.
WITH beat AS (
    INSERT INTO workers (id, queue, slots)
    VALUES (%(id)s, %(queue)s, %(slots)s)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
)
SELECT id::text
FROM tasks
WHERE state = 'running' AND worker_id = %(id)s AND cancel_requested_at IS NOT NULL

-- name: ids_between (bigint)
-- Count the tasks that have an id in this range, up to a limit.
SELECT count(*)
FROM (SELECT FROM tasks WHERE id BETWEEN %(first)s AND %(last)s LIMIT %(most)s) AS found

-- name: insert (text,"timestamp with time zone","timestamp with time zone")
-- Insert tasks, all or none. They are sent as one JSON text, which costs the web process a tenth of what arrays cost. A
-- delay counts from now by this database's clock. Returns the instants of the tasks in `answered`, or of all (null).
WITH kept AS (
    INSERT INTO tasks (id, type, execute_at, payload, timeout_s, max_attempts, created_by)
    SELECT id, type,
           coalesce(execute_at, date_trunc('microseconds', clock_timestamp()) + make_interval(secs => delay_s)),
           payload, timeout_s, max_attempts, created_by
    FROM json_to_recordset(%(tasks)s::json)
         AS new (id uuid, type text, execute_at timestamptz, delay_s float8, payload jsonb, timeout_s float8,
                 max_attempts int, created_by uuid)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, execute_at, created_at
)
SELECT id::text, execute_at, created_at
FROM kept
WHERE %(answered)s::uuid[] IS NULL OR id = ANY(%(answered)s::uuid[])

-- name: key_create (uuid,text,text[],bigint,"timestamp with time zone","timestamp with time zone","timestamp with time zone")
-- Insert a key that expires after a number of seconds by this database's clock, or never (null).
INSERT INTO api_keys (id, name, secret_sha256, scopes, max_pending, expires_at)
VALUES (%(id)s, %(name)s, %(secret_sha256)s, %(scopes)s::text[], %(max_pending)s,
        clock_timestamp() + make_interval(secs => %(expires_in_s)s::float8))
RETURNING id, name, scopes, max_pending, created_at, expires_at, revoked_at

-- name: key_pending (bigint)
-- Count the scheduled tasks of a key, up to a limit.
SELECT count(*)
FROM (SELECT 1 FROM tasks WHERE created_by = %(id)s AND state = 'scheduled' LIMIT %(at_most)s) AS waiting

-- name: key_revoke (uuid,text,text[],bigint,"timestamp with time zone","timestamp with time zone","timestamp with time zone")
-- Revoke a key. Repeating it changes nothing and returns the same.
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE id = %(id)s
RETURNING id, name, scopes, max_pending, created_at, expires_at, revoked_at

-- name: keys_all (uuid,text,text[],bigint,"timestamp with time zone","timestamp with time zone","timestamp with time zone",boolean)
-- All keys ever made, and whether each is valid now.
SELECT id, name, scopes, max_pending, created_at, expires_at, revoked_at,
       revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) AS valid
FROM api_keys
ORDER BY created_at, id

-- name: keys_valid (uuid,text,text[],bigint,"timestamp with time zone","timestamp with time zone","timestamp with time zone",bytea)
-- The valid keys, the newest first, each with the hash of its secret.
SELECT id, name, scopes, max_pending, created_at, expires_at, revoked_at, secret_sha256
FROM api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
ORDER BY created_at DESC
LIMIT %(limit)s

-- name: lease_due (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb,uuid,"timestamp with time zone")
-- Claim the tasks of these types that are due earliest, for an outside worker. First, count how many of each type are
-- among them; then lock that many of each, skipping rows that others lock. now() is never ahead of the clock, and an
-- index scan can end at it: with clock_timestamp() a claim that finds no due task would read all scheduled rows.
WITH earliest AS (
    SELECT due.type
    FROM unnest(%(types)s::text[]) AS wanted (type), LATERAL (
        SELECT tasks.type, due_at, id
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = wanted.type AND due_at <= now()
        ORDER BY due_at, id
        LIMIT %(limit)s
    ) AS due
    ORDER BY due.due_at, due.id
    LIMIT %(limit)s
), taken AS MATERIALIZED (
    SELECT due.id AS task_id, due.due_at AS at
    FROM (SELECT type, count(*) AS number FROM earliest GROUP BY type) AS share, LATERAL (
        SELECT id, due_at
        FROM tasks
        WHERE state = 'scheduled' AND tasks.type = share.type AND due_at <= now()
        ORDER BY due_at, id
        LIMIT share.number
        FOR UPDATE SKIP LOCKED
    ) AS due
), leased AS (
    UPDATE tasks
    SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
        lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
    FROM taken
    WHERE tasks.id = taken.task_id
    RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at, taken.at
)
SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at
FROM leased
ORDER BY at, id

-- name: lease_one (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb,uuid,"timestamp with time zone")
-- Claim one task for an outside worker.
UPDATE tasks
SET state = 'running',
    attempt = attempt + 1,
    claim_token = %(token)s::uuid,
    worker_id = %(worker_id)s,
    started_at = clock_timestamp(),
    lag_ms = coalesce(lag_ms, date_part('epoch', clock_timestamp() - execute_at) * 1000),
    next_attempt_at = NULL,
    lease_expires_at = clock_timestamp() + make_interval(secs => 2 * timeout_s)
WHERE id = %(id)s
  AND state IS NOT DISTINCT FROM 'scheduled'
  AND due_at <= clock_timestamp()
  AND type = ANY(%(types)s::text[])
RETURNING id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, claim_token, lease_expires_at

-- name: lost (text,text,smallint,smallint,text,text)
-- Attempts that no worker runs any more. Our own worker is dead when its heartbeat is too old or its row is gone, an
-- outside worker when its lease has expired. A task that is long past its timeout is lost too, although its worker
-- lives: the worker killed it and reported that, and a failover of Postgres lost the report.
SELECT id::text, claim_token::text AS token, attempt, max_attempts, type, worker_id
FROM tasks AS task
WHERE task.state = 'running'
  AND CASE WHEN lease_expires_at IS NOT NULL THEN lease_expires_at < clock_timestamp()
           ELSE started_at < clock_timestamp() - make_interval(secs => timeout_s + %(forgotten_after_s)s)
             OR NOT EXISTS (
               SELECT FROM workers
               WHERE workers.id = task.worker_id
                 AND heartbeat_at > clock_timestamp() - make_interval(secs => %(dead_after_s)s)) END
ORDER BY task.id
LIMIT %(limit)s

-- name: next (uuid,text,task_state,"timestamp with time zone",jsonb,"double precision",smallint,smallint,"timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","timestamp with time zone","double precision",text,jsonb,jsonb)
-- The earliest scheduled task of these types (null: of all types). It is not claimed.
SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error
FROM unnest(coalesce(%(types)s::text[], (SELECT array_agg(type) FROM waiting_types()))) AS wanted (wanted_type), LATERAL (
    SELECT id, type, state, execute_at, payload, timeout_s, attempt, max_attempts, next_attempt_at, created_at, started_at, finished_at, deleted_at, lag_ms, worker_id, result, error, due_at
    FROM tasks
    WHERE state = 'scheduled' AND type = wanted_type
    ORDER BY due_at, id
    LIMIT 1
) AS first
ORDER BY due_at, id
LIMIT 1

-- name: overdue_count (bigint,"double precision")
-- Count the scheduled tasks that should have started, up to a limit, and how late the oldest is, in seconds.
SELECT number AS tasks, coalesce(extract(epoch FROM clock_timestamp() - oldest), 0)::float8 AS oldest_s
FROM count_overdue(%(most)s)

-- name: purge_deleted ()
-- Retention of deleted tasks. They may have been deleted long before their time, so an index on `deleted_at` finds
-- them.
DELETE FROM tasks
WHERE id IN (
    SELECT id
    FROM tasks
    WHERE state = 'deleted' AND deleted_at < now() - make_interval(secs => %(older_than_s)s)
    ORDER BY deleted_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)

-- name: purge_tasks ()
-- Retention of final tasks: one batch of one state and type. A task ends after its execute_at, so the index on
-- execute_at finds it. Locked rows are skipped. An index scan can end at now(): with clock_timestamp() the last batch
-- would read all final tasks.
DELETE FROM tasks
WHERE id IN (
    SELECT id
    FROM tasks
    WHERE state = %(state)s
      AND state <> 'running' AND state <> 'scheduled'
      AND type = %(type)s
      AND execute_at < now() - make_interval(secs => %(older_than_s)s)
      AND finished_at < now() - make_interval(secs => %(older_than_s)s)
    ORDER BY execute_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)

-- name: purge_workers ()
-- Delete the rows of lost workers that hold no task.
DELETE FROM workers
WHERE heartbeat_at < clock_timestamp() - make_interval(secs => %(older_than_s)s)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND tasks.worker_id = workers.id)

-- name: rescue (text,text,text,"timestamp with time zone")
-- Settle lost attempts, each only while it is still lost. The claim token fences it, because the next claim replaces
-- it.
UPDATE tasks AS task
SET state = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NOT NULL THEN 'cancelled'
                     ELSE outcome.state END,
        finished_at = CASE WHEN outcome.retry_in_s IS NULL OR cancel_requested_at IS NOT NULL
                           THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN outcome.retry_in_s IS NOT NULL AND cancel_requested_at IS NULL
                               THEN clock_timestamp() + make_interval(secs => outcome.retry_in_s) END,
        error = outcome.error::jsonb,
        lease_expires_at = NULL,
    claim_token = NULL
FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::task_state[], %(errors)s::text[],
            %(retries_in_s)s::float8[]) AS outcome (id, token, state, error, retry_in_s)
WHERE task.id = outcome.id AND task.claim_token = outcome.token
  AND task.state = 'running'
  AND CASE WHEN lease_expires_at IS NOT NULL THEN lease_expires_at < clock_timestamp()
           ELSE started_at < clock_timestamp() - make_interval(secs => timeout_s + %(forgotten_after_s)s)
             OR NOT EXISTS (
               SELECT FROM workers
               WHERE workers.id = task.worker_id
                 AND heartbeat_at > clock_timestamp() - make_interval(secs => %(dead_after_s)s)) END
RETURNING task.id::text, task.type, task.worker_id, CASE WHEN task.state = 'scheduled' THEN task.next_attempt_at END AS again_at

-- name: retire_worker ()
-- Delete the row of a worker that has stopped and holds no task.
DELETE FROM workers
WHERE id = %(id)s

-- name: rights (text)
-- Rights that the processes need and this role lacks. docs/postgres-role.sql grants them.
SELECT needed.privilege || ' on ' || relation
FROM (VALUES ('alembic_version', '{SELECT}'::text[]),
             ('tasks', '{SELECT,INSERT,UPDATE,DELETE}'),
             ('workers', '{SELECT,INSERT,UPDATE,DELETE}'),
             ('counters', '{SELECT,INSERT,UPDATE}'),
             ('api_keys', '{SELECT}')) AS kept (relation, privileges),
     LATERAL unnest(privileges) AS needed (privilege)
WHERE to_regclass(relation) IS NOT NULL AND NOT has_table_privilege(relation, needed.privilege)
ORDER BY 1

-- name: schema_version ("character varying")
SELECT version_num FROM alembic_version

-- name: server (integer,integer,bigint)
-- The version of Postgres, and how many connections we may open: the lowest limit of server, role and database. Open
-- connections are not counted in pg_stat_activity, where a role without rights sees only its own.
SELECT current_setting('server_version_num')::int / 10000 AS version,
       least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
             (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
             (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())) AS connections,
       (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS open

-- name: session (text,text)
-- The values of settings on this connection. Times are in milliseconds.
SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s::text[])

-- name: task_counts (task_state,text,bigint)
-- Count the tasks of each type by state, up to a limit.
SELECT state, type, number
FROM count_tasks(%(types)s::text[], %(most)s)

-- name: types_due (text,"timestamp with time zone")
-- The types that have a scheduled task due before an instant, and when their first is due; the earliest first.
SELECT type, first_at
FROM waiting_types()
WHERE first_at < %(until)s::timestamptz
ORDER BY first_at, type

-- name: types_in_state (text)
-- The types that occur in a state other than scheduled and running. One index lookup per type, however many tasks
-- exist.
WITH RECURSIVE present AS (
    (SELECT type FROM tasks WHERE state = %(state)s AND state <> 'running' AND state <> 'scheduled' ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type
            FROM tasks
            WHERE state = %(state)s AND state <> 'running' AND state <> 'scheduled' AND tasks.type > present.type
            ORDER BY type
            LIMIT 1)
    FROM present
    WHERE present.type IS NOT NULL
)
SELECT type
FROM present
WHERE type IS NOT NULL

-- name: waiting (text,text,"timestamp with time zone")
-- Which of these tasks are still scheduled, and when they are due.
SELECT task.id::text, task.type, task.due_at AS at
FROM tasks AS task
WHERE id = ANY(%(ids)s::uuid[]) AND state IS NOT DISTINCT FROM 'scheduled'

-- name: workers (text,text,integer,"double precision")
SELECT id, queue, slots, extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 AS silent_s
FROM workers
ORDER BY queue, id
