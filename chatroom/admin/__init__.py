"""``chatroom-admin``: what operators do, on the store of servers that run."""
