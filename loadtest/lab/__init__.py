"""The laboratory: what Headrace claims, measured beside other servers on this machine.

    make lab                                   # all of it, as root
    .venv/bin/python -m loadtest.lab slow --quick

Rule 1: one worker of each server on core 0, the load and the judge on core 1, everything on 127.0.0.1.
Rule 2: servers take turns within a round, and a figure is the median of the rounds. A target is a ratio
        within one run.
Rule 3: no server process is asked for anything before the disk is cooled, where cold is what is measured.
Rule 4: loads are in Python and throw bytes away in the kernel (MSG_TRUNC); what CPU they take all the same
        is in the tables. A load near 100 % of its core measures itself.
Rule 5: a scenario's results are written when it ends, and the report is made of all that are there.
Rule 6: groups, mounts, loop devices and processes are gone at the end, also after Ctrl-C or SIGTERM.

`plan` says which scenarios and servers; `clients`, `readers` and `stuck` are the loads, `ground` the disks
and limits. How servers take turns, and what is left of that in loadtest/results/lab, is in
loadtest.measuring.
"""
