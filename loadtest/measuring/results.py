"""The results of scenarios as files, one for each, written whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import peers
from loadtest.measuring import tcp
from loadtest.measuring.findings import Findings

# Where a disk was mounted, or a site lay, says nothing to a reader, and is of this machine.
PLACE = re.compile(r"/[^\s\"]*/headrace-(?:disk|bench)-[^/\"]*/")


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario's findings, and what a reader must know of the machine to make sense of them."""

    scenario: str
    title: str
    asks: str
    facts: Mapping[str, object]
    findings: Findings


def facts(names: Sequence[str], rounds: int, once: Collection[str], *, quick: bool) -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "kernel": platform.release().partition("-")[0],
        "cpu": f"{len(models)} x {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
        "congestion_control": tcp.congestion_control(),
        "versions": list(dict.fromkeys(map(peers.version, names))),
        "rounds": rounds,
        "once": [name for name in names if name in once and rounds > 1],
        "quick": quick,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def write(directory: Path, result: Result) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    found = result.findings.as_json()
    head = {
        "scenario": result.scenario,
        "title": result.title,
        "asks": result.asks,
        "facts": result.facts,
        **{name: value for name, value in found.items() if name != "cells"},
    }
    cells = found["cells"]
    assert isinstance(cells, list)
    # One line for each cell: a difference between two runs can be read.
    lines = ",\n".join(json.dumps(cell, separators=(",", ":"), default=str) for cell in cells)
    text = json.dumps(head, indent=1, default=str).removesuffix("\n}") + f',\n "cells": [\n{lines}\n]}}\n'
    path = directory / f"{result.scenario}.json"
    new = path.with_suffix(".new")
    new.write_text(PLACE.sub("", text))
    new.replace(path)
    return path


def read(directory: Path, order: Sequence[str]) -> list[Result]:
    """All that are there, in this order."""
    found = []
    for name in order:
        if (path := directory / f"{name}.json").exists():
            value = json.loads(path.read_text())
            name, title, asks, facts = (value[key] for key in ("scenario", "title", "asks", "facts"))
            found.append(Result(name, title, asks, facts, Findings.from_json(value)))
    return found
