-- Delete a token if it belongs to that account. ARGV: its key, id.
if redis.call('HGET', ARGV[1], 'user') == ARGV[2] then redis.call('UNLINK', ARGV[1]) end
return 1
