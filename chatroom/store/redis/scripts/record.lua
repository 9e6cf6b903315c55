-- Add an operator's action to the audit log. ARGV: how many are kept at least, the action as JSON.
redis.call('XADD', 'chatroom:audit', 'MAXLEN', '~', ARGV[1], '*', 'a', ARGV[2], 't', now_ms())
return 1
