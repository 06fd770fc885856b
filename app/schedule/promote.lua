-- Take ids off the schedule that are due, or soon will be, in order of time, and record them as delivered in the same
-- step: whoever dies afterwards, they come back when the record expires. That is soon, until the taker says that they
-- are on a queue. Of each type only so many are delivered and unclaimed at a time, and nothing is taken for an RQ queue
-- that nobody empties: the rest waits here, in order, deletable.
-- KEYS     per type: schedule, delivered (sorted set: id -> when the delivery counts as lost), RQ queue, RQ workers
-- ARGV[1]  now, seconds   ARGV[2]  when what is taken counts as lost, seconds
-- ARGV[3]  full envelopes of one type, and envelopes of all types that a worker may have waiting, divided by a comma
-- ARGV[4]  how far to look ahead, seconds: what is due until then comes along when something is taken
-- ARGV[5]  when to begin to look ahead, seconds
-- ARGV[6+] per type: how many ids one envelope holds
-- returns  per type: {due ids, {id, instant, id, instant ...} of those ahead, due ids left behind,
--          instant of the first id that stays or '', workers of its queue, when its first record expires or ''}
local now, lost_at = tonumber(ARGV[1]), ARGV[2]
local of_one_type, of_all_types = string.match(ARGV[3], '(%d+),(%d+)')
local ahead_until, begin_at = now + tonumber(ARGV[4]), now + tonumber(ARGV[5])
local answer = {}
for i = 1, #KEYS, 4 do
  local schedule, delivered, queue, workers = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
  local due, ahead, left, count = {}, {}, 0, 1
  local first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= begin_at then
    count = math.max(1, redis.call('SCARD', workers))
    local size = tonumber(ARGV[6 + (i - 1) / 4])
    local room = math.min(2000, of_one_type * count * size - redis.call('ZCARD', delivered))
    if redis.call('LLEN', queue) >= of_all_types * count then
      room = 0
    end
    local records = {}
    if room > 0 then
      due = redis.call('ZRANGEBYSCORE', schedule, '-inf', ARGV[1], 'LIMIT', 0, room)
      for _, id in ipairs(due) do
        table.insert(records, lost_at)
        table.insert(records, id)
      end
    end
    if room > #due then
      ahead = redis.call('ZRANGEBYSCORE', schedule, '(' .. ARGV[1], ahead_until, 'WITHSCORES', 'LIMIT', 0, room - #due)
      for n = 1, #ahead, 2 do
        table.insert(records, lost_at)
        table.insert(records, ahead[n])
      end
    end
    if #records > 0 then
      redis.call('ZREMRANGEBYRANK', schedule, 0, #records / 2 - 1)
      redis.call('ZADD', delivered, unpack(records))
    end
    left = redis.call('ZCOUNT', schedule, '-inf', ARGV[1])
    first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  end
  local record = redis.call('ZRANGE', delivered, 0, 0, 'WITHSCORES')
  table.insert(answer, { due, ahead, left, first[2] or '', count, record[2] or '' })
end
return answer
