"""The bench: what a request costs, beside the servers that people would otherwise use.

    make bench                                # all of it: most of an hour
    .venv/bin/python -m loadtest.bench same browsers --quick

Rule 1: one worker of each server on core 0, wrk on core 1, everything on 127.0.0.1. Files lie in the page
        cache, and in the server's memory if it has one.
Rule 2: servers take turns within a round, each started afresh for its turn; a figure is the median of the
        rounds. What counts is the CPU time of the server's processes for each request; requests per second
        are beside it. A target is a ratio within one run.
Rule 3: no answer is measured that has not been compared first: status, length and bytes, for every kind of
        target. A status of 400 or more, or an error of a socket, under load, fails the turn.
Rule 4: all that wrk sends is made beforehand, from a seed; it reads a file. What it takes of its core all the
        same is in the tables. A wrk near 100 % keeps a server from being busy, not from being measured.
Rule 5: a server that is missing, or fails, is named.

`site` is what is served, `agents` and `trace` who asks for it, `heads` the file that `wrk` replays, `probe`
the comparison; `workloads`, `idle` and `start` are what is measured, and `targets` what was to be reached.
How servers take turns, and what is left of that in loadtest/results/bench, is in loadtest.measuring.
"""
