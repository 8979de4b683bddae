"""A run through everything that a server does, from the first request to the last."""

import os
from pathlib import Path

from tests.rig.client import Client, ask, get
from tests.rig.files import KIB, MIB, forget_cached, noise, settled_file, write
from tests.rig.server import Server
from tests.rig.until import until

BIG = 6 * MIB


def lay_out(root: Path) -> None:
    """The files that mixed_run() asks for."""
    write(root / "index.html", b"<!doctype html>home\n")
    write(root / "page.html", b"<!doctype html>page\n")
    write(root / "docs/index.html", b"<!doctype html>docs\n")
    write(root / "big.bin", noise(BIG))
    write(root / "later.bin", noise(BIG, 2))
    write(root / "shrinks.bin", noise(BIG, 3))
    write(root / "changes.html", b"one\n")
    os.mkfifo(root / "fifo")


def options() -> tuple[str, ...]:
    """The mounts that mixed_run() asks for."""
    settled = settled_file()
    return ("--mount", f"/settled={settled.parent}") if settled else ()


def mixed_run(server: Server, root: Path) -> None:
    """Hits, misses, faults, refusals, ranges, changes, clients that go."""
    port = server.port
    big = (root / "big.bin").read_bytes()
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("/page.html").status == 200
        page = client.ask("/page.html", method="HEAD")
        assert page.status == 200
        conditional = f"If-None-Match: {page['etag']}", f"If-Modified-Since: {page['last-modified']}"
        assert client.ask("/page.html", conditional[0]).status == 304
        assert client.ask("/page.html", conditional[1]).status == 304
        assert client.ask("/page.html", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT").status == 200
        assert client.ask("/page.html", "If-Unmodified-Since: Sun Nov  6 08:49:37 1994").status == 412
        assert (
            client.ask("/page.html", "Range: bytes=0-3", f"If-Range: {page['last-modified']}").status == 206
        )
        assert client.ask("/none").status == 404
        assert client.ask("/none").status == 404
        assert client.ask("/docs").status == 301
        assert client.ask("/docs/").status == 200
        assert client.ask("/fifo").status == 403
        assert client.ask("/", method="OPTIONS").status == 204
        assert client.ask("/", version="1.0").status == 200
    for head, status in (
        (get("/", method="POST"), 405),
        (get("/", method="BREW"), 501),
        (get("/", host=None), 400),
        (get("/", version="2.0"), 505),
        (get("/", "Expect: cake"), 417),
        (get("/", "Content-Length: 5") + b"hello", 413),
        (get("/", "Transfer-Encoding: gzip"), 501),
        (get("/" + "x" * 9000), 414),
        (get("/", *(f"X-{n}: y" for n in range(200))), 431),
        (get("/%zz"), 400),
    ):
        with Client(port) as client:
            assert client.send(head).response().status == status
    forget_cached(root / "big.bin")
    assert ask(port, "/big.bin").body == big
    assert ask(port, "/big.bin").body == big
    forget_cached(root / "later.bin")
    assert ask(port, "/later.bin", f"Range: bytes={3 * MIB + 5}-{3 * MIB + 9}").status == 206
    assert ask(port, "/later.bin", f"Range: bytes={BIG}-").status == 416
    assert ask(port, "/later.bin", "Range: bytes=0-1,4-5").status == 206
    assert ask(port, "/later.bin", f"Range: bytes=0-1,{2 * MIB}-{2 * MIB + 5},500-9000").status == 206
    if settled := settled_file():
        for _ in range(3):  # from the disk, then from memory
            assert ask(port, f"/settled/{settled.name}").body == settled.read_bytes()
    with Client(port) as client:  # half closed, pipelined
        client.send(get("/page.html") + get("/big.bin") + get("/none")).shut()
        assert [client.response().status for _ in range(3)] == [200, 200, 404]
    for _ in range(4):  # clients that go
        client = Client(port, receive_buffer=16 * KIB)
        client.send(get("/big.bin")).body(1000)
        client.reset()
    with Client(port, receive_buffer=16 * KIB) as client:  # a file that shrinks under its answer
        client.send(get("/shrinks.bin")).body(1000)
        os.truncate(root / "shrinks.bin", 2 * MIB)
        client.rest_or_reset()
    with Client(port) as client:  # known, then checked again, then found to be another
        assert client.ask("/changes.html").body == b"one\n"
        write(root / "new", b"two\n")
        (root / "new").rename(root / "changes.html")
        until(lambda: client.ask("/changes.html").body == b"two\n", "the new bytes")
        (root / "changes.html").unlink()
        until(lambda: client.ask("/changes.html").status == 404, "that it is gone")
    server.await_quiet()
