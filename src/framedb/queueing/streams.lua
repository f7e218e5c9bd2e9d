#!lua name=fdbq_v1
-- The frame queue on a stream with one consumer group.
--
-- A library's version is in its name and in its functions' names; a released one is never changed or replaced, so that
-- clients of two versions can share a server. Whatever lets the queue drain is registered with allow-oom: a full server
-- refuses everything else, and would stay full.

local GIVEN_BACK = 'given-back'  -- the consumer that holds what a worker returned; nobody reads in its name
local TIDY = 1000                -- entries over the bound that one announcement pushes out beyond its own number
local SCANS = 10                 -- of ten pending entries each, that one take looks through for a dead worker's
local POISON = 100               -- entries one take sets aside before it answers

local function as_map(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function make_group(queue, group)
  redis.call('XGROUP', 'CREATE', queue, group, '0', 'MKSTREAM')
end

-- Ids of at most `limit` entries in a consumer's hands, oldest first; nil without the group.
local function in_hands_of(queue, group, consumer, limit)
  local pending = redis.pcall('XPENDING', queue, group, '-', '+', limit, consumer)
  if pending.err then return nil end
  local ids = {}
  for i, entry in ipairs(pending) do ids[i] = entry[1] end
  return ids
end

local function is_in_hands_of(queue, group, consumer, id)
  local pending = redis.pcall('XPENDING', queue, group, id, id, 1, consumer)
  return not pending.err and pending[1] ~= nil
end

local function last_delivered(queue, group)
  local groups = redis.pcall('XINFO', 'GROUPS', queue)
  if not groups.err then
    for _, flat in ipairs(groups) do
      local info = as_map(flat)
      if info['name'] == group then return info['last-delivered-id'] end
    end
  end
  return '0-0'
end

-- Removes at most `limit` of the oldest entries that are in no worker's hands; returns their fields.
local function push_out(queue, group, limit)
  local removed = {}
  for _, id in ipairs(in_hands_of(queue, group, GIVEN_BACK, limit) or {}) do
    local rows = redis.call('XRANGE', queue, id, id)
    if rows[1] then removed[#removed + 1] = rows[1][2] end
    redis.call('XACK', queue, group, id)
    redis.call('XDEL', queue, id)
  end
  if #removed < limit then
    local rows = redis.call('XRANGE', queue, '(' .. last_delivered(queue, group), '+', 'COUNT', limit - #removed)
    for _, row in ipairs(rows) do
      removed[#removed + 1] = row[2]
      redis.call('XDEL', queue, row[1])
    end
  end
  return removed
end

-- group, bound, policy, then key, source, framedb_id, captured_at of each.
-- Answers {0, length} if it is full and the policy is to wait; else {1, first and last of those accepted, what was removed}.
local function announce(keys, args)
  local queue, group, bound, policy = keys[1], args[1], tonumber(args[2]), args[3]
  local count = (#args - 3) / 4
  local length = redis.call('XLEN', queue)
  local excess = length + count - bound
  local first, last, removed = 1, count, {}
  if excess > 0 then
    if policy == 'wait' then return {0, length} end
    if policy == 'drop-newest' then
      last = math.max(0, count - excess)
    else
      excess = math.min(excess, count + TIDY)
      removed = push_out(queue, group, excess)
      first = 1 + excess - #removed  -- all else is in workers' hands: the oldest of the new ones go
    end
  end
  for i = first, last do
    local at = 4 * i
    redis.call('XADD', queue, '*', 'key', args[at], 'source', args[at + 1], 'framedb_id', args[at + 2],
      'captured_at', args[at + 3])
  end
  return {1, first, last, removed}
end

-- Returns how many older dead letters had to go.
local function bury(dead, fields, reason, limit)
  local values = {}
  for i = 1, #fields do values[i] = fields[i] end
  values[#values + 1] = 'reason'
  values[#values + 1] = reason
  redis.call('XADD', dead, '*', unpack(values))
  if redis.call('XLEN', dead) > limit then return redis.call('XTRIM', dead, 'MAXLEN', limit) end
  return 0
end

local function finish(queue, group, id)
  redis.call('XACK', queue, group, id)
  return redis.call('XDEL', queue, id)
end

-- The next entry for the consumer as {id, fields}, or nil, and the cursor to look for dead workers' from next time.
local function next_entry(queue, group, consumer, hold_ms, cursor)
  local returned = in_hands_of(queue, group, GIVEN_BACK, 1)
  if not returned then
    make_group(queue, group)
  elseif returned[1] then
    local rows = redis.call('XCLAIM', queue, group, consumer, 0, returned[1])
    if rows[1] then return rows[1], cursor end
    redis.call('XACK', queue, group, returned[1])
  end
  for _ = 1, SCANS do
    local found = redis.call('XAUTOCLAIM', queue, group, consumer, hold_ms, cursor, 'COUNT', 1)
    cursor = found[1]
    if found[2][1] then return found[2][1], cursor end
    if cursor == '0-0' then break end
  end
  local fresh = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', queue, '>')
  if fresh then return fresh[1][2][1], cursor end
  return nil, cursor
end

-- group, consumer, hold in ms, most deliveries, cursor, the reason of one delivered too often, most dead letters.
-- Answers {cursor, fields of those set aside, dead letters that went, id, fields, deliveries}; without the last three
-- if there is none.
local function take(keys, args)
  local queue, dead, group, consumer = keys[1], keys[2], args[1], args[2]
  local cursor, aside, gone = args[5], {}, 0
  for _ = 1, POISON do
    local entry
    entry, cursor = next_entry(queue, group, consumer, args[3], cursor)
    if not entry then break end
    local deliveries = redis.call('XPENDING', queue, group, entry[1], entry[1], 1)[1][4]
    if deliveries <= tonumber(args[4]) then return {cursor, aside, gone, entry[1], entry[2], deliveries} end
    finish(queue, group, entry[1])
    gone = gone + bury(dead, entry[2], args[6], tonumber(args[7]))
    aside[#aside + 1] = entry[2]
  end
  return {cursor, aside, gone}
end

-- group, id, reason, most dead letters. Answers how many dead letters went. Nothing is done if it was acknowledged.
local function set_aside(keys, args)
  local rows = redis.call('XRANGE', keys[1], args[2], args[2])
  if finish(keys[1], args[1], args[2]) == 0 then return 0 end
  return bury(keys[2], rows[1][2], args[3], tonumber(args[4]))
end

-- group, consumer, id. 1 if it is still in the consumer's hands.
local function renew(keys, args)
  if not is_in_hands_of(keys[1], args[1], args[2], args[3]) then return 0 end
  return #redis.call('XCLAIM', keys[1], args[1], args[2], 0, args[3], 'JUSTID')
end

-- group, consumer, id, deliveries before this one.
local function give_back(keys, args)
  if not is_in_hands_of(keys[1], args[1], args[2], args[3]) then return 0 end
  return #redis.call('XCLAIM', keys[1], args[1], GIVEN_BACK, 0, args[3], 'RETRYCOUNT', args[4], 'JUSTID')
end

-- group, consumer: what it holds goes to others, its attempts counted, and it leaves the group.
local function leave(keys, args)
  local queue, group, consumer = keys[1], args[1], args[2]
  while true do
    local ids = in_hands_of(queue, group, consumer, 100)
    if not ids then return 0 end
    if not ids[1] then break end
    for _, id in ipairs(ids) do
      local moved = redis.call('XCLAIM', queue, group, GIVEN_BACK, 0, id, 'JUSTID')
      if not moved[1] then redis.call('XACK', queue, group, id) end
    end
  end
  return redis.call('XGROUP', 'DELCONSUMER', queue, group, consumer)
end

-- group, ms: consumers silent for longer leave, unless they hold something: removing them would lose it.
local function sweep(keys, args)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', keys[1], args[1])
  local swept = 0
  if consumers.err then return swept end
  for _, flat in ipairs(consumers) do
    local info = as_map(flat)
    if info['pending'] == 0 and info['idle'] > tonumber(args[2]) then
      redis.call('XGROUP', 'DELCONSUMER', keys[1], args[1], info['name'])
      swept = swept + 1
    end
  end
  return swept
end

redis.register_function('fdbq_v1_announce', announce)
redis.register_function{function_name = 'fdbq_v1_take', callback = take, flags = {'allow-oom'}}
redis.register_function{function_name = 'fdbq_v1_set_aside', callback = set_aside, flags = {'allow-oom'}}
redis.register_function{function_name = 'fdbq_v1_renew', callback = renew, flags = {'allow-oom'}}
redis.register_function{function_name = 'fdbq_v1_give_back', callback = give_back, flags = {'allow-oom'}}
redis.register_function{function_name = 'fdbq_v1_leave', callback = leave, flags = {'allow-oom'}}
redis.register_function{function_name = 'fdbq_v1_sweep', callback = sweep, flags = {'allow-oom'}}
