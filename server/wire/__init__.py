"""The wire: heads in, heads and bodies out, over sockets.

Only `heads` and `head` know h11, which judges each head of a request by itself, and writes each
shape of a response head once. Whether a connection goes on after an answer is decided here and not
by h11, so that HTTP/1.0 clients can keep theirs alive too.

There are two ways through this room that give the same answers. The long one is an `exchange`: it
asks the files, step by step, and waits for them. Most requests have been answered before, in all
that matters, and take the short one, `express`: what the parts of a head mean is known (`verdicts`,
in tables that no client can fill), and so is the reply to that (`recall`), for as long as the files
and the rules that it rests on are what they were.

What leaves is sent in steps, a connection's after another's, and little of it may lie unsent in the
kernel (`address`), but for clients who read fast (`credit`).
"""
