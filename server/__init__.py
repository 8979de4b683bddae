"""Headrace: a static-file HTTP server whose loop never waits for a disk.

Deciding is pure, ordering is pure, only moving bytes is impure. Three questions have three
owners: what to answer (`answer`), what goes out next (`wire`), who is ready (`loop`).

A request's way, each hop with one owner:

    accept      wire.server        a socket
    receive     wire.connection    bytes of a head
    judge       wire.heads         Request or Refusal, by h11; wire.verdicts remembers
    recall      wire.express       what was answered before, and still holds: straight to "send"
    locate      files.site         which root, which path
    open        files.docroot      an Entry: what is known of the path, seldom older than a second
    decide      answer.plan        status, headers, which bytes
    enqueue     wire.outbox        the order in which they leave
    fetch       aio                blocks from memory, or from the disk by AIO
    send        wire.connection    as much as the socket takes, within the turn's budget

Imports go downward only: `process` and `cli` know all, `wire` and `files` know `answer`,
`answer` knows nothing, and nobody but `aio` touches a file that is served.
"""
