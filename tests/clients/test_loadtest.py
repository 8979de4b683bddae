"""The load test, in small: it passes on Headrace, and on a server that lies it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loadtest import corpus
from loadtest.run import percentile, unhidden

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SMALL = corpus.Recipe(megabytes=8)
A_FEW = ("--users", "Bystander=2", "Browser=2", "Seeker=4", "Downloader=4")

needs_locust = pytest.mark.skipif(
    not (BIN / "locust").exists(), reason="locust is not installed (pip install '.[load]')"
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("corpus") / "small"
    corpus.make(directory, SMALL)
    return directory


@needs_locust
def test_a_run_passes_shows_both_percentiles_and_leaves_the_reports(small: Path, tmp_path: Path) -> None:
    done = run(
        "--corpus", small, "--megabytes", SMALL.megabytes, "--results", tmp_path, "--seconds", 1, *A_FEW
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.split() for line in done.stdout.splitlines()]
    quiet, loaded = (line for line in table if line[1:2] == ["Downloaders"])
    assert (quiet[0], loaded[0]) == ("without", "with")
    assert all(float(figure) > 0 for figure in (*quiet[2:6], *loaded[2:6]))
    for report in ("with-judge", "with-load", "without-judge", "without-load"):
        assert "Locust" in (tmp_path / f"{report}.html").read_text()
        assert (tmp_path / f"{report}_stats.csv").read_text().startswith("Type,Name,Request Count")


@needs_locust
def test_every_kind_of_wrong_answer_fails_the_run(small: Path, lying_url: str, tmp_path: Path) -> None:
    done = run("--url", lying_url, "--results", tmp_path, "--seconds", 2, *A_FEW)
    assert done.returncode == 1, done.stdout + done.stderr
    failures = (tmp_path / "without-load.json").read_text()
    assert '"page' not in failures.partition('"failures"')[2]  # the pages are as they should be
    for complaint in (
        "500",
        ".js: wrong bytes in block 0",
        "status 200 where 304 is due",
        "Content-Length is None",
        "Content-Range is bytes 0-0/1",
        ".mp4: wrong bytes in block 0",
        "Incomplete response",
    ):
        assert complaint in failures


@needs_locust
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "{lying}/pages"])
def test_a_server_without_the_corpus_is_named(url: str, lying_url: str, tmp_path: Path) -> None:
    done = run("--url", url.format(lying=lying_url), "--results", tmp_path, "--seconds", 1)
    assert done.returncode == 1
    assert "does not serve the corpus" in done.stderr


def test_a_recipe_makes_the_same_corpus_everywhere(small: Path, tmp_path: Path) -> None:
    assert corpus.make(tmp_path / "again", SMALL) == corpus.make(small, SMALL)
    for path in ("bystander.html", "manifest.json", "assets/0.png", "videos/0.mp4"):
        assert (tmp_path / "again" / path).read_bytes() == (small / path).read_bytes()
        assert (tmp_path / "again" / path).stat().st_mtime == (small / path).stat().st_mtime
    assert corpus.make(tmp_path / "other", corpus.Recipe(seed=2, megabytes=1)) != corpus.make(small, SMALL)


def test_a_corpus_is_made_again_only_when_it_differs(tmp_path: Path) -> None:
    tiny = corpus.Recipe(megabytes=1)
    corpus.make(tmp_path, tiny)
    made = (tmp_path / "bystander.html").stat().st_ino
    corpus.make(tmp_path, tiny)
    assert (tmp_path / "bystander.html").stat().st_ino == made
    (tmp_path / "bystander.html").write_text("touched")
    corpus.make(tmp_path, tiny)
    assert (tmp_path / "bystander.html").stat().st_size == corpus.BYSTANDER_BYTES


def test_a_directory_that_is_no_corpus_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(corpus.NotACorpus, match="left alone"):
        corpus.make(tmp_path, SMALL)
    assert (tmp_path / "letters.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, None),
        (corpus.BLOCK, None),
        (5, None),
        (5, 2 * corpus.BLOCK + 5),
        (corpus.BLOCK + 1, corpus.BLOCK + 2),
    ],
)
def test_a_right_part_passes_in_chunks_of_any_size(small: Path, start: int, stop: int | None) -> None:
    file, content = large_file(small)
    for chunk in (1_000, corpus.BLOCK, len(content)):
        check = corpus.Check(file, start)
        part = content[start:stop]
        for at in range(0, len(part), chunk):
            check.take(part[at : at + chunk])
        assert check.at == start + len(part)


@pytest.mark.parametrize("shift", [-1, 1, corpus.BLOCK, -corpus.BLOCK])
def test_a_part_from_elsewhere_in_the_file_is_found_out(small: Path, shift: int) -> None:
    file, content = large_file(small)
    start = corpus.BLOCK + 7
    elsewhere = content[start + shift : start + shift + 2 * corpus.BLOCK]
    with pytest.raises(corpus.WrongBytes, match="block"):
        corpus.Check(file, start).take(elsewhere.ljust(2 * corpus.BLOCK))


def test_more_than_the_file_is_found_out(small: Path) -> None:
    file, content = large_file(small)
    with pytest.raises(corpus.WrongBytes, match="more bytes"):
        corpus.Check(file).take(content + b"!")


def test_a_stall_counts_for_every_request_that_it_prevented() -> None:
    assert unhidden([1.0, 40.0], 50.0) == [1.0, 40.0]
    assert unhidden([1.0, 220.0], 50.0) == [1.0, 20.0, 70.0, 120.0, 170.0, 220.0]


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 5.0), (95, 10.0), (99, 10.0), (100, 10.0)])
def test_a_percentile_is_one_of_the_times(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 11)], percent) == expected


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    return subprocess.run(
        [sys.executable, "-m", "loadtest.run", *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def large_file(directory: Path) -> tuple[corpus.File, bytes]:
    manifest = corpus.make(directory, SMALL)
    path = manifest.videos[-1]
    content = (directory / path[1:]).read_bytes()
    assert len(content) > 3 * corpus.BLOCK + 8
    return manifest.files[path], content


@pytest.fixture
def lying_url(small: Path) -> Iterator[str]:
    """Of a server that is right about pages, and wrong about everything else in one way each."""

    class Liar(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            file = small / self.path[1:]
            try:
                body = file.read_bytes()
            except OSError:
                self.send_error(404)
                return
            match file.suffix:
                case ".html" | ".json" if self.headers["If-None-Match"]:
                    self.answer(304, b"")
                case ".css":
                    self.send_error(500)
                case ".js":
                    self.answer(200, body[:-1] + b"?")
                case ".png":
                    self.answer(200, body, length=len(body) + 1)
                    self.close_connection = True
                case ".jpg":
                    self.answer(200, body)  # whatever the condition
                case ".webp":
                    self.answer(200, body, length=None)
                    self.close_connection = True
                case ".mp4" if self.headers["Range"] == "bytes=0-" and int(file.stem) % 2:
                    self.answer(206, b"?" + body[1:], part=f"bytes 0-{len(body) - 1}/{len(body)}")
                case ".mp4":
                    self.answer(206, body, part="bytes 0-0/1")
                case _:
                    self.answer(200, body)

        def answer(self, status: int, body: bytes, *, length: int | None = -1, part: str = "") -> None:
            self.send_response(status)
            self.send_header("ETag", '"one"')
            if length is not None and status != 304:
                self.send_header("Content-Length", str(len(body) if length < 0 else length))
            if part:
                self.send_header("Content-Range", part)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # they hang up when they have seen enough

    with Quiet(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
