-- Tell everybody who is online now. ARGV: text. Returns how many nodes were told.
return tell_nodes('k', 'announce', 't', ARGV[1], 'at', now_ms())
