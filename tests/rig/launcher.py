"""`python -m tests.rig.launcher RIG ARGUMENTS...`: the server's command, prepared by a test.

RIG is JSON: `constants`, a mapping of "module:NAME" to a value that it is to have; `user`, the number of the
user to become when everything has been imported; `watch`, whether imports and files opened by Python's own
means while the loop runs are to be reported on stderr, as a line "rig: saw [...]"; `late`, a module to import
when the loop runs, to see that this is seen.
"""

import importlib
import json
import os
import sys

from server import cli
from server.loop import Loop

SEEN_EVENTS = ("import", "open", "os.listdir", "os.scandir", "subprocess.Popen", "socket.getaddrinfo")


def watch(late: str) -> None:
    """Records what happens from the first turn of the loop to the last."""
    seen: list[str] = []
    running = False
    run = Loop.run

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if running and event in SEEN_EVENTS:
            seen.append(f"{event} {arguments[0]}")

    def watched_run(self: Loop) -> None:
        nonlocal running
        running = True
        try:
            if late:
                __import__(late)  # as the statement does; importlib's own function is not audited
            run(self)
        finally:
            running = False
            print(f"rig: saw {json.dumps(seen)}", file=sys.stderr, flush=True)

    Loop.run = watched_run  # type: ignore[method-assign]
    sys.addaudithook(hook)


def main() -> int:
    rig = json.loads(sys.argv[1])
    for place, value in rig.get("constants", {}).items():
        module, _, name = place.partition(":")
        target = importlib.import_module(module)
        assert hasattr(target, name), f"there is no {place}"
        setattr(target, name, value)
    if rig.get("watch"):
        watch(rig.get("late", ""))
    if "user" in rig:
        cli.read_config([], {})  # imports what parsing needs, as long as it can be read
        os.setgroups([])
        os.setgid(rig["user"])
        os.setuid(rig["user"])
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
