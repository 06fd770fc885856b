-- A worker that has stopped in order and holds nothing any more.
DELETE FROM workers
WHERE id = %(id)s
