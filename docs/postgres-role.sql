-- The rights of the processes of Punctual in Postgres: reading and writing rows of our tables, nothing else.
-- Run by the owner of the tables, after the migrations, and again after a release that adds a table:
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f docs/postgres-role.sql
--
-- With DATABASE_SCHEMA=punctual, put PGOPTIONS='-c search_path=punctual' before both commands.
--
-- Set a password once:  psql "$OWNER_URL" -c '\password punctual_service' -c 'ALTER ROLE punctual_service LOGIN'
-- Then `release` runs with the owner's DATABASE_URL, all others with DATABASE_URL=postgresql://punctual_service:...
-- The tests use this role. There are no default privileges: a new table is not accessible until it is named here.

DO $$
BEGIN
    CREATE ROLE punctual_service NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO punctual_service', current_schema());
END $$;
GRANT SELECT ON alembic_version TO punctual_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON tasks, workers TO punctual_service;
GRANT SELECT, INSERT, UPDATE ON counters, api_keys TO punctual_service;

-- The settings that each process sends when it connects, for DATABASE_TIMEOUT_S=5. A pooler does not pass them on, so the
-- role has them as well ("Behind PgBouncer" in operating.md); `doctor` reports whether they are in force. The settings of a
-- direct connection take precedence: those of workers, and some of web, keep plans. Through a pooler nothing is prepared.
ALTER ROLE punctual_service SET statement_timeout = '5s';
ALTER ROLE punctual_service SET lock_timeout = '2500ms';
ALTER ROLE punctual_service SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE punctual_service SET idle_session_timeout = 0;
ALTER ROLE punctual_service SET default_transaction_isolation = 'read committed';
ALTER ROLE punctual_service SET TimeZone = 'UTC';
ALTER ROLE punctual_service SET DateStyle = 'ISO';
ALTER ROLE punctual_service SET IntervalStyle = 'postgres';
ALTER ROLE punctual_service SET extra_float_digits = 1;
ALTER ROLE punctual_service SET bytea_output = 'hex';
ALTER ROLE punctual_service SET standard_conforming_strings = on;
ALTER ROLE punctual_service SET array_nulls = on;
ALTER ROLE punctual_service SET plan_cache_mode = 'force_custom_plan';
ALTER ROLE punctual_service SET random_page_cost = 1.1;
ALTER ROLE punctual_service SET jit = off;
-- In addition, from Postgres 17 on, if the database or the server sets this limit:
-- ALTER ROLE punctual_service SET transaction_timeout = 0;
-- In addition, with DATABASE_SCHEMA=punctual and a pooler:
-- ALTER ROLE punctual_service SET search_path = punctual;
