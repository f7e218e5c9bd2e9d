#!lua name=fdb_move_v1
-- Moving a source from one cluster to another. Beside `fdb_v1` (frames.lua), under the same rules: a released library is never
-- changed or replaced, and functions never raise.

-- ARGV: source, epoch. From now on writers with a lower one are refused. Never lowers what is stored; returns what is.
local function raise_epoch(keys, args)
  local fields = 'fdb:' .. args[1] .. ':f'
  local stored, wanted = tonumber(redis.call('HGET', fields, 'epoch') or 0), tonumber(args[2])
  if wanted <= stored then return stored end
  redis.call('HSET', fields, 'epoch', args[2])
  return wanted
end

-- A source must be able to leave a server that is full.
redis.register_function{function_name = 'fdb_move_v1_raise_epoch', callback = raise_epoch, flags = {'allow-oom'}}
