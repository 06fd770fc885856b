-- The version of Postgres, and how many connections we may open: the lowest limit of server, role and database. Open
-- connections are not counted in pg_stat_activity, where a role without rights sees only its own.
SELECT current_setting('server_version_num')::int / 10000 AS version,
       least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
             (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
             (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())) AS connections,
       (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS open
