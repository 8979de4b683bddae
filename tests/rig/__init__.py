"""What black-box tests stand on: a server as a process, a client as a socket.

Rule 1: a server is started by its command, told by signals, and seen through its sockets and its stderr.
Rule 2: a client sends the bytes that it is given and reads what comes; it knows no more of HTTP than where
        an answer ends.
Rule 3: whatever is waited for has a deadline; when it passes, the test fails and says what it waited for.
"""
