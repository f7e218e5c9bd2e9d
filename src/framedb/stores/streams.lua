#!lua name=fdb_stream_v1
-- Streams that are bounded. Beside `fdb_v1` (frames.lua), under the same rules: a released library is never changed or
-- replaced, and functions never raise. Items are pushed in the same MULTI, just before, and do not pass through here.

-- KEYS: the list. ARGV: its name, the length it may have, policy. What became of the item that was pushed last, and how
-- many others went.
local function bound(keys, args)
  local list, limit, policy = keys[1], tonumber(args[2]), args[3]
  local excess = redis.call('LLEN', list) - limit
  if excess <= 0 then return {'stored', 0} end
  if policy == 'drop-oldest' then
    redis.call('LTRIM', list, 0, limit - 1)
    redis.call('HINCRBY', 'fdb:qd:' .. args[1], 'evicted-unread', excess)
    return {'stored', excess}
  end
  redis.call('LTRIM', list, 1, -1)
  if policy == 'wait' then return {'refused:full', 0} end
  redis.call('HINCRBY', 'fdb:qd:' .. args[1], 'drop-newest', 1)
  return {'dropped:drop-newest', 0}
end

-- What was pushed must be bounded on a server that is full by now, too.
redis.register_function{function_name = 'fdb_stream_v1_bound', callback = bound, flags = {'allow-oom'}}
