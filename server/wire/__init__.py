"""The wire: heads in, heads and bodies out, over sockets.

Only `heads` knows h11, which judges each head by itself. Whether a connection goes on after an
answer is decided here and not by h11, so that HTTP/1.0 clients can keep theirs alive too.
"""
