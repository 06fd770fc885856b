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
