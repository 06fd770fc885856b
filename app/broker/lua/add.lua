-- Add ids of one type to its due set. Wake the promoters if the earliest instant has become earlier.
-- KEYS[1]  due set of the type (sorted set: id -> instant, seconds)
-- KEYS[2]  wake-up channel
-- ARGV     score, id, score, id ... A few hundred pairs at most, because a script blocks Redis while it runs.
-- returns  the number of new ids
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local added = redis.call('ZADD', KEYS[1], unpack(ARGV))
local earliest = tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
if not head[2] or earliest < tonumber(head[2]) then
  redis.call('PUBLISH', KEYS[2], tostring(earliest))
end
return added
