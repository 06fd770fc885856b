-- Take ids off the schedule that are due, or soon will be, in order of time, and record them as delivered in the same
-- step, so that they come back if nobody claims them in time. Until the taker says that they are on RQ queues (ZREM of
-- the pass), the pass is in hand: when its time there is over, all of it comes back (take_back.lua). A pass is named by
-- the instant at which what it took counts as lost, which is also the score of each id; no two have the same name,
-- though a client may send its command twice.
-- Of each type only so many are delivered and unclaimed at a time, and nothing is taken for an RQ queue that nobody
-- empties, nor, while envelopes wait there, less than a full one of many: the rest waits here, in order, deletable.
-- KEYS[1]  passes in hand (sorted set: when what the pass took counts as lost -> until when it may be in hand)
-- KEYS[2+] per type: schedule, delivered (sorted set: id -> when the delivery counts as lost), RQ queue, RQ workers
-- ARGV[1]  now, seconds   ARGV[2]  when what is taken counts as lost, seconds   ARGV[3]  until when it may be in hand
-- ARGV[4]  full envelopes of one type, and envelopes of all types that a worker may have waiting, divided by a comma
-- ARGV[5]  how far to look ahead, seconds: what is due until then comes along when something is taken
-- ARGV[6]  when to begin to look ahead, seconds
-- ARGV[7+] per type: how many ids one envelope holds
-- returns  the name of this pass, until when the first of all may be in hand or '', and
--          per type: {due ids, {id, instant, id, instant ...} of those ahead, due ids left behind,
--          instant of the first id that stays or '', workers of its queue, when its first record expires or ''}
local now, lost_at = tonumber(ARGV[1]), ARGV[2]
local of_one_type, of_all_types = string.match(ARGV[4], '(%d+),(%d+)')
local ahead_until, begin_at = now + tonumber(ARGV[5]), now + tonumber(ARGV[6])
local answer, some_taken = {}, false
while redis.call('ZMSCORE', KEYS[1], lost_at)[1] do
  lost_at = string.format('%.6f', tonumber(lost_at) + 0.000001)
end
for i = 2, #KEYS, 4 do
  local schedule, delivered, queue, workers = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
  local due, ahead, left, count = {}, {}, 0, 1
  local first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= begin_at then
    count = math.max(1, redis.call('SCARD', workers))
    local size = tonumber(ARGV[7 + (i - 2) / 4])
    local room = math.min(2000, of_one_type * count * size - redis.call('ZCARD', delivered))
    left = redis.call('ZCOUNT', schedule, '-inf', ARGV[1])
    local waiting = redis.call('LLEN', queue)
    if waiting >= of_all_types * count or (waiting > 0 and room < size and room < left) then
      room = 0
    end
    local records, length = {}, 0
    if room > 0 then
      due = redis.call('ZRANGEBYSCORE', schedule, '-inf', ARGV[1], 'LIMIT', 0, room)
      for n = 1, #due do
        records[length + 1], records[length + 2] = lost_at, due[n]
        length = length + 2
      end
    end
    if room > #due then
      ahead = redis.call('ZRANGEBYSCORE', schedule, '(' .. ARGV[1], ahead_until, 'WITHSCORES', 'LIMIT', 0, room - #due)
      for n = 1, #ahead, 2 do
        records[length + 1], records[length + 2] = lost_at, ahead[n]
        length = length + 2
      end
    end
    if length > 0 then
      if not some_taken then -- first of all: what fails below must not leave ids that are in nobody's hand
        redis.call('ZADD', KEYS[1], ARGV[3], lost_at)
        some_taken = true
      end
      redis.call('ZREMRANGEBYRANK', schedule, 0, length / 2 - 1)
      redis.call('ZADD', delivered, unpack(records))
    end
    left = left - #due
    first = redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')
  end
  local record = redis.call('ZRANGE', delivered, 0, 0, 'WITHSCORES')
  table.insert(answer, { due, ahead, left, first[2] or '', count, record[2] or '' })
end
local pass = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { lost_at, pass[2] or '', answer }
