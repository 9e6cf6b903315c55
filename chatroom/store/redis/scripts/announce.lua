-- Send a text to everybody who is online now. ARGV: text. Returns the number of nodes that get it.
return tell_nodes('k', 'announce', 't', ARGV[1], 'at', now_ms())
