"""What locust loads: the four users, and a report that run.py can rely on.

Rule 1: locust rounds response times to a whole millisecond, which is more than a page from memory takes, and
        its CSV files may lack the last second. With --report FILE all that was counted is written down, and
        the Bystanders' times as they were.
Rule 2: the checkout need not be installed, nor be the working directory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtest.users import BYSTANDER_NAME, Browser, Bystander, Downloader, Seeker

__all__ = ["Browser", "Bystander", "Downloader", "Seeker"]


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    meaning = "where to write, as JSON, what was counted, and how long each Bystander waited, in milliseconds"
    parser.add_argument("--report", metavar="FILE", include_in_web_ui=False, help=meaning)


@events.init.add_listener
def keep_times(environment: Environment, **_: object) -> None:
    wanted = environment.parsed_options.report if environment.parsed_options else None
    if not wanted:
        return
    times: list[float] = []

    def keep(name: str, response_time: float, exception: object = None, **_: object) -> None:
        if name == BYSTANDER_NAME and exception is None:
            times.append(response_time)

    environment.events.request.add_listener(keep)
    environment.events.quitting.add_listener(lambda **_: Path(wanted).write_text(report(environment, times)))


def report(environment: Environment, times: list[float]) -> str:
    stats, runner = environment.stats, environment.runner
    crashes = runner.exceptions.values() if runner is not None else ()
    told = {
        "bystander_ms": times,
        "requests": {name: entry.num_requests for (name, _), entry in stats.entries.items()},
        "bytes": sum(entry.total_content_length for entry in stats.entries.values()),
        "failures": [
            *([error.occurrences, f"{error.name}: {error.error}"] for error in stats.errors.values()),
            *([crash["count"], f"{crash['msg']} (in the user itself)"] for crash in crashes),
        ],
    }
    return json.dumps(told) + "\n"
