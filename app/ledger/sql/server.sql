-- Which Postgres this is, and how many connections we may hold: the tightest of server, role and database.
SELECT current_setting('server_version_num')::int / 10000,
       least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
             (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
             (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
