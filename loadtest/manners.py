"""Headrace, nginx and lighttpd side by side: hard cases of HTTP, to the byte, and who answers them how.

    python -m loadtest.manners

Rule 1: one tree of files, and each server as its package sets it up: what a distribution's configuration has,
        and what a site with files compressed beforehand would turn on.
Rule 2: a connection is left open if it answers a plain request that is sent behind the answer. So no clock
        decides that; one only bounds the wait for what never comes.
Rule 3: a server that is not installed has a column that says so.

Leaves manners.json and manners.md in loadtest/results. The exit status is 1 if Headrace is wrong somewhere.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest import hard_cases, hard_messages, peers, servers
from loadtest.command import Command, Site, free_port
from loadtest.hard_cases import NEXT_BODY, Case, get
from loadtest.verdicts import Answer, Kind, Seen, Verdict, judge, status

RESULTS = Path(__file__).resolve().parent / "results"
CASES: tuple[Case, ...] = (*hard_cases.CASES, *hard_messages.CASES)

# Why we choose, where an RFC leaves a choice; a choice that is not here fails the test.
OUR_REASONS = {
    "GET with content, and a request behind it": "no request for a file has content, and what is never read "
    "cannot be taken for the next request",
}

MADE_UP = re.compile(r'(?<=")[^"]+(?=")|(?<=boundary=)[^;]+')  # tags, and what parts are told apart by

PATIENCE_SECONDS = 4.0  # for the next bytes; only servers that never answer are waited for so long
SETTLE_SECONDS = 2.5  # until what is remembered of a file has been checked again: lighttpd's and our second
AT_ONCE = 4  # cases under way at one server
NEXT = get("/next.txt", "Connection: close")
BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Result:
    """What one server did in one case."""

    seen: Seen
    verdict: Verdict
    told: tuple[tuple[str, str], ...]  # the headers that matter


@dataclass(frozen=True, slots=True)
class Column:
    """One server: what it is, and what it did in each case, or why it was not asked."""

    name: str
    version: str
    missing: str = ""
    results: tuple[Result, ...] = ()

    def count(self, kind: Kind) -> int:
        return sum(result.verdict.kind is kind for result in self.results)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.manners", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="for manners.md and manners.json")
    options = parser.parse_args(arguments)
    columns = compare()
    text = table(columns)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "manners.md").write_text(text)
    (options.results / "manners.json").write_text(json.dumps(facts(columns), indent=1) + "\n")
    print(text, end="")
    return 1 if any(column.name == "Headrace" and column.count(Kind.WRONG) for column in columns) else 0


def compare() -> list[Column]:
    """All cases at all servers that are installed."""
    with tempfile.TemporaryDirectory(prefix="headrace-manners-") as directory, ExitStack() as stack:
        root = Path(directory, "root")
        root.mkdir()
        hard_cases.make_tree(root)
        started: dict[str, servers.Server] = {}
        missing: dict[str, str] = {}
        for name, (kind, configure) in PEERS.items():
            if why := peers.missing(kind):
                missing[name] = why
            else:
                started[name] = stack.enter_context(servers.start(kind, root, configure=configure))
        with ThreadPoolExecutor(AT_ONCE * len(PEERS)) as pool:
            plain = {name: _plain_answers(pool, server.port) for name, server in started.items()}
            hard_cases.deploy(root)
            time.sleep(SETTLE_SECONDS)
            pending = {
                name: [pool.submit(_result, case, server.port, plain[name][case.about]) for case in CASES]
                for name, server in started.items()
            }
            results = {
                name: tuple(future.result() for future in futures) for name, futures in pending.items()
            }
    return [
        Column(name, _version(kind) if name in results else "", missing.get(name, ""), results.get(name, ()))
        for name, (kind, _) in PEERS.items()
    ]


def exchange(port: int, case: Case, plain: Answer) -> Seen:
    """Sends the request of the case, and then the plain one, and takes all that comes back."""
    method = case.request.lstrip().partition(b" ")[0].decode("latin-1")
    tag = (plain["ETag"] or '"none"').encode("latin-1")
    request = case.request.replace(b"<etag>", tag).replace(b"<opaque>", tag.removeprefix(b"W/"))
    answers: list[Answer] = []
    interim: list[int] = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as sock:
        _send(sock, request)
        data, ended = b"", False
        while True:
            found = _first_answer(data, "GET" if answers else method, ended)
            if found is None:
                if ended:
                    return Seen(method, plain, tuple(answers), tuple(interim), closed=True)
                try:
                    more = sock.recv(1 << 16)
                except ConnectionError:
                    more = b""
                except TimeoutError:
                    return Seen(method, plain, tuple(answers), tuple(interim), closed=False)
                data, ended = data + more, not more
                continue
            answer, size = found
            data = data[size:]
            if 100 <= answer.status < 200:
                interim.append(answer.status)
                continue
            if answers and answer.body == NEXT_BODY and answer["Connection"] == "close":
                return Seen(method, plain, tuple(answers), tuple(interim), closed=False)
            answers.append(answer)
            if len(answers) == 1:
                _send(sock, NEXT)


def table(columns: Sequence[Column]) -> str:
    """Markdown: a row for each case, and what differs."""
    heads = [column.name for column in columns]
    lines = [
        "# Hard cases, side by side",
        "",
        "`python -m loadtest.manners`: the same bytes to each server, over a tree of the same files. "
        "**Right** is what the section requires, recommends or expressly permits; a **choice** departs "
        "from a recommendation, or leaves out what is optional; **wrong** is what breaks a requirement, "
        "or contradicts what the section says that the request means.",
        "",
        "| | version | right | choice | wrong |",
        "|---|---|---|---|---|",
        *(
            f"| {column.name} | {column.missing or column.version} | "
            + " | ".join(str(column.count(kind)) if column.results else "" for kind in COUNTED)
            + " |"
            for column in columns
        ),
        "",
        f"| case | what is asked (RFC, section) | {' | '.join(heads)} | verdicts: {', '.join(heads)} |",
        "|---" * (3 + len(columns)) + "|",
    ]
    for n, case in enumerate(CASES):
        results = [column.results[n] if column.results else None for column in columns]
        cells = [_cell(result) for result in results]
        verdicts = " / ".join(str(result.verdict.kind) if result else "-" for result in results)
        lines.append(f"| {' | '.join(map(_escaped, (case.name, case.asks, *cells, verdicts)))} |")
    lines += ["", "## Where we differ", "", *_differences(columns)]
    for column in columns:
        lines += ["", f"## {column.name}: not simply right", ""]
        lines += [column.missing] if column.missing else _blemishes(column)
    return "\n".join(lines) + "\n"


def facts(columns: Iterable[Column]) -> list[Mapping[str, object]]:
    """The same for programs."""
    return [
        {
            "server": column.name,
            "version": column.version,
            "missing": column.missing,
            **{str(kind): column.count(kind) for kind in COUNTED},
            "cases": [
                {
                    "case": case.name,
                    "asks": case.asks,
                    "request": case.request.decode("latin-1")[:400],
                    "statuses": [answer.status for answer in result.seen.answers],
                    "headers": dict(result.told),
                    "closed": result.seen.closed,
                    "verdict": str(result.verdict.kind),
                    "why": result.verdict.why,
                }
                for case, result in zip(CASES, column.results, strict=False)
            ],
        }
        for column in columns
    ]


def _differences(columns: Sequence[Column]) -> Iterator[str]:
    """The cases in which not all servers answer with the same statuses and headers."""
    for n, case in enumerate(CASES):
        said = {column.name: _gist(column.results[n]) for column in columns if column.results}
        if len(set(said.values())) > 1:
            yield f"- {case.name}: {'; '.join(f'{name} {gist}' for name, gist in said.items())}"


def _blemishes(column: Column) -> Iterator[str]:
    for case, result in zip(CASES, column.results, strict=True):
        if result.verdict.kind is not Kind.RIGHT:
            reason = OUR_REASONS.get(case.name, "") if column.name == "Headrace" else ""
            why = f" Because {reason}." if reason else ""
            yield f"- {result.verdict.kind}: {case.name}: {result.verdict.why} ({case.asks}).{why}"


def _statuses(result: Result) -> str:
    statuses = [*result.seen.interim, *(answer.status for answer in result.seen.answers)]
    return ", ".join(str(status) if status else "no head" for status in statuses) or "silence"


def _gist(result: Result) -> str:
    """Without what each server makes up for itself."""
    headers = [f"{name}: `{MADE_UP.sub('...', value)}`" for name, value in result.told]
    return ", ".join([_statuses(result), *headers])


def _cell(result: Result | None) -> str:
    if result is None:
        return "not installed"
    headers = "".join(f"; {name}: `{value}`" for name, value in result.told)
    return f"{_statuses(result)}{headers}; {'closed' if result.seen.closed else 'open'}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _result(case: Case, port: int, plain: Answer) -> Result:
    seen = exchange(port, case, plain)
    told = []
    for name in case.tell if seen.answers else ():
        if (value := seen.first[name]) is not None:
            told.append((name, value.replace(f":{port}", ":PORT")))
    return Result(seen, judge(case.check, seen), tuple(told))


def _plain_answers(pool: ThreadPoolExecutor, port: int) -> dict[str, Answer]:
    """Of each file that a case is about. The second one: by then a tag of the content is known."""
    paths = sorted({case.about for case in CASES})
    nothing = Answer(0)
    for _ in range(2):
        asked = [Case(path, "", get(path, "Connection: close"), status(200)) for path in paths]
        seen = pool.map(lambda case: exchange(port, case, nothing), asked)
        answers = {path: one.first for path, one in zip(paths, seen, strict=True)}
    return answers


def _first_answer(data: bytes, method: str, ended: bool) -> tuple[Answer, int] | None:
    """The first answer in the data and its length; None as long as it is not whole."""
    if ended and data and not data.startswith(b"HTTP/"):
        return Answer(0, (), data), len(data)
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or not data.startswith(b"HTTP/"):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    answer = Answer(int(first.split(" ")[1]), fields)
    length, coding = answer["Content-Length"], answer["Transfer-Encoding"]
    start = len(head) + len(end)
    if method == "HEAD" or answer.status < 200 or answer.status in BODILESS:
        return answer, start
    if coding is not None:
        chunks = _without_chunks(body)
        return chunks and (Answer(answer.status, fields, chunks[0]), start + chunks[1])
    size = len(body) if length is None else int(length)
    if len(body) < size or (length is None and not ended):
        return None
    return Answer(answer.status, fields, body[:size]), start + size


def _without_chunks(data: bytes) -> tuple[bytes, int] | None:
    """What the chunks at the beginning hold, and how long they are; None as long as the last is not there."""
    content, at = b"", 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        content += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
        if size == 0:
            return (content, at) if len(data) >= at else None
    return None


def _send(sock: socket.socket, data: bytes) -> None:
    with suppress(ConnectionError):  # it has closed already; what it said before can still be read
        sock.sendall(data)


def _version(kind: str) -> str:
    return peers.version(kind).partition(" - ")[0]


def _nginx(site: Site, directory: Path) -> Command:
    """As Debian's nginx.conf, and files compressed beforehand."""
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"    {kind}_temp_path {directory}/{kind};" for kind in kinds)
    config = directory / "nginx.conf"
    config.write_text(
        f"""daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 768; }}
http {{
{places}
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    gzip on;
    gzip_static on;
    gzip_vary on;
    server {{
        listen 127.0.0.1:{port};
        root {site.root};
        index index.html;
    }}
}}
"""
    )
    argv = (
        str(peers.debian_path("nginx")),
        *("-p", str(directory), "-c", str(config), "-e", f"{directory}/error.log"),
    )
    return Command(argv, port)


def _lighttpd(site: Site, directory: Path) -> Command:
    """As Debian's lighttpd.conf, and mod_deflate: it knows no files compressed beforehand."""
    port = free_port()
    config = directory / "lighttpd.conf"
    config.write_text(
        f"""server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect", "mod_deflate" )
server.document-root = "{site.root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{directory}/error.log"
server.http-parseopts = (
    "header-strict" => "enable", "host-strict" => "enable", "host-normalize" => "enable",
    "url-normalize-unreserved" => "enable", "url-normalize-required" => "enable",
    "url-ctrls-reject" => "enable", "url-path-2f-decode" => "enable", "url-path-dotseg-remove" => "enable"
)
index-file.names = ( "index.html" )
url.access-deny = ( "~", ".inc" )
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain", "" => "application/octet-stream" )
deflate.mimetypes = ( "text/" )
deflate.allowed-encodings = ( "gzip" )
server.modules += ( "mod_dirlisting", "mod_staticfile" )
"""
    )
    return Command((str(peers.debian_path("lighttpd")), "-D", "-f", str(config)), port)


COUNTED = (Kind.RIGHT, Kind.CHOICE, Kind.WRONG)
PEERS: Mapping[str, tuple[str, Callable[[Site, Path], Command] | None]] = {
    "Headrace": ("headrace", None),
    "nginx": ("nginx-sendfile", _nginx),
    "lighttpd": ("lighttpd", _lighttpd),
}


if __name__ == "__main__":
    sys.exit(main())
