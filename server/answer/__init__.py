"""What to answer. Pure: no sockets, no files, no clock, no logging.

Rule 1: every status code that a request for a file can get is chosen here.
Rule 2: nothing here knows how bytes are sent. A body is a tuple of bytes and FileRange.
Rule 3: time comes in as an argument.
"""
