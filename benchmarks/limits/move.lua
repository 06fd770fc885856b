-- Take so many due ids off a sorted set, in order of time, and put them onto a list.
-- KEYS     sorted set, list      ARGV     now in seconds, how many at most
-- returns  the instant of the next id, or ''
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids > 0 then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #ids - 1)
  redis.call('RPUSH', KEYS[2], unpack(ids))
end
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ''
