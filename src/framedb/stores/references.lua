#!lua name=fdb_refs_v1
-- Frames that several consumers share: `ref__P` counts those that still need frame prefix P, whose sizes are `P__<size>`.
-- Beside `fdb_v1` (frames.lua), under the same rules: a released library is never changed or replaced, and functions never
-- raise.

local DAY_MS = 86400000         -- a consumer's place is remembered this long after its last step
local QUEUE = 'del_queue'       -- keys that somebody else is to unlink,
local QUEUE_DATABASE = 5        -- in this database of the server
local QUEUE_LENGTH = 100000     -- keys that may wait there: nobody empties a longer one

-- A row is a msgpack array that begins with a fixed-width integer: the frame's size.
local function size_of(row) return (struct.unpack('>I8', row, 3)) end

local function forget(p, key)
  local row = redis.call('HGET', p .. 'm', key)
  if not row then return end
  redis.call('ZREM', p .. 't', key)
  redis.call('ZREM', p .. 'x', key)
  redis.call('ZREM', p .. 'out', key)
  redis.call('HDEL', p .. 'm', key)
  redis.call('HINCRBY', p .. 's', 'count', -1)
  redis.call('HINCRBY', p .. 's', 'bytes', 0 - size_of(row))  -- not -size: of 0 that is "-0", which Redis 7.0 refuses
end

local function unlink_all(keys)
  for _, key in ipairs(keys) do redis.call('UNLINK', key) end
end

-- True if somebody else will unlink them.
local function queued(keys)
  redis.call('SELECT', QUEUE_DATABASE)
  local length = redis.pcall('LLEN', QUEUE)
  local done = type(length) == 'number' and length + #keys <= QUEUE_LENGTH
  if done then redis.call('LPUSH', QUEUE, unpack(keys)) end
  redis.call('SELECT', 0)
  return done
end

-- KEYS: the count's key, then the frames' keys. ARGV: source, by how much, consumer, its step, '1' to queue what is to be
-- unlinked. `left:<n>`, `released`, `missing` (nothing has changed), `repeated` (this step was taken before), `refused:<why>`.
-- A consumer's steps go up; so one whose answer was lost is simply taken again, on any connection.
local function release(keys, args)
  local p = 'fdb:' .. args[1] .. ':'
  local place = 'fdb:refs:' .. args[3]
  local step = tonumber(args[4])
  if step <= tonumber(redis.call('GET', place) or 0) then return 'repeated' end
  if redis.call('EXISTS', keys[1]) == 0 then return 'missing' end
  local left = redis.pcall('DECRBY', keys[1], args[2])
  if type(left) ~= 'number' then return 'refused:' .. keys[1] .. ' is no count' end
  redis.call('SET', place, args[4], 'PX', DAY_MS)
  if left > 0 then return 'left:' .. string.format('%.0f', left) end
  for i = 2, #keys do forget(p, keys[i]) end
  if args[5] == '1' and queued(keys) then
    redis.call('UNLINK', keys[1])  -- so that nobody finds it at zero once more
  else
    unlink_all(keys)
  end
  return 'released'
end

-- KEYS: the count's key, then the frames it is for, just written. ARGV: milliseconds the count lives where there are none.
-- It lives as long as the last of its frames, and not without one.
local function settle(keys, args)
  if #keys == 1 then
    redis.call('PEXPIRE', keys[1], args[1])
    return 'stored'
  end
  local longest = -2
  for i = 2, #keys do
    local ttl = redis.call('PTTL', keys[i])
    if ttl == -1 then
      redis.call('PERSIST', keys[1])
      return 'stored'
    end
    longest = math.max(longest, ttl)
  end
  if longest < 0 then
    redis.call('UNLINK', keys[1])
    return 'dropped'
  end
  redis.call('PEXPIRE', keys[1], math.max(longest, 1))
  return 'stored'
end

-- ARGV: at most how many. Takes keys from the queue and unlinks them, all in one step; how many it took.
-- Whoever queued them may know nothing of rows: those of a frame (`<source>?<n>?<restart>__<seq>__<size>`) go with it.
local function unlink_queued(keys, args)
  redis.call('SELECT', QUEUE_DATABASE)
  local taken = redis.pcall('RPOP', QUEUE, args[1])
  redis.call('SELECT', 0)
  if type(taken) ~= 'table' or taken.err then return 0 end
  for _, key in ipairs(taken) do
    redis.call('UNLINK', key)
    local source = string.match(key, '^(.+)%?[^?]*%?[^?]*__')
    if source then forget('fdb:' .. source .. ':', key) end
  end
  return #taken
end

-- A frame must be released from a server that is full, too.
local OOM = {'allow-oom'}
redis.register_function{function_name = 'fdb_refs_v1_release', callback = release, flags = OOM}
redis.register_function{function_name = 'fdb_refs_v1_settle', callback = settle, flags = OOM}
redis.register_function{function_name = 'fdb_refs_v1_unlink_queued', callback = unlink_queued, flags = OOM}
