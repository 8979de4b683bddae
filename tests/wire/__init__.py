"""The server as its clients see it: a process, sockets, bytes."""
