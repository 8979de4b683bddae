"""Files that change while they are served: what is under way stays true, and what is new is soon seen."""

import mmap
import os
import time

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import KIB, LONG_AGO_SECONDS, MIB, noise, write
from tests.rig.server import serving
from tests.rig.until import until

SIZE = 16 * MIB
SOON_SECONDS = 10.0  # it is about a second; a busy machine may take longer
OLD, NEW = noise(SIZE), noise(SIZE, 2)


@pytest.fixture(params=["auto", "linux-aio", "threads"])
def server(request, tmp_path):
    with serving(tmp_path, backend=request.param) as server:
        server.root = tmp_path
        yield server
        server.await_quiet()


def begun(server, target: str) -> Client:
    """A client that has got the head of its answer, and takes no more than the kernel does for it."""
    client = Client(server.port, receive_buffer=16 * KIB)
    client.send(get(target))
    client.head()
    return client


def await_body(server, target: str, body: bytes) -> None:
    """Until the file is known to be another. Before that, an answer may be a 503 or be broken off."""

    def looks_new() -> bool:
        with Client(server.port) as client:
            client.send(get(target, "Connection: close"))
            came = client.rest_or_reset()
        return came.startswith(b"HTTP/1.1 200 ") and came.partition(b"\r\n\r\n")[2] == body

    until(looks_new, f"the new bytes of {target}", SOON_SECONDS)


def test_a_file_that_is_truncated_under_its_answer_gives_a_right_prefix_and_then_the_end(server):
    path = server.root / "file.bin"
    write(path, OLD)
    with begun(server, "/file.bin") as client:
        os.truncate(path, SIZE // 2)
        body = client.rest_or_reset()
    assert len(body) <= SIZE // 2
    assert OLD.startswith(body)
    assert server.await_quiet()["broken_off"] == 1
    await_body(server, "/file.bin", OLD[: SIZE // 2])


def test_a_file_that_is_replaced_goes_out_whole_and_the_next_gets_the_new_one(server):
    write(server.root / "file.bin", OLD)
    with begun(server, "/file.bin") as client:
        write(server.root / "new", NEW)
        (server.root / "new").rename(server.root / "file.bin")
        await_body(server, "/file.bin", NEW)
        assert client.rest_of(SIZE) == OLD


def test_a_file_that_is_deleted_goes_out_whole_and_is_404_for_the_next(server):
    write(server.root / "file.bin", OLD)
    with begun(server, "/file.bin") as client:
        (server.root / "file.bin").unlink()
        until(lambda: ask(server.port, "/file.bin").status == 404, "that it is gone", SOON_SECONDS)
        assert client.rest_of(SIZE) == OLD


def test_a_file_that_grows_goes_out_as_long_as_was_promised(server):
    write(server.root / "file.bin", OLD)
    with begun(server, "/file.bin") as client:
        with (server.root / "file.bin").open("ab") as file:
            file.write(b"more")
        await_body(server, "/file.bin", OLD + b"more")
        assert client.rest_of(SIZE) == OLD
        assert client.ask("/file.bin", "Range: bytes=-8").body == OLD[-4:] + b"more"


def test_an_answer_is_broken_off_when_its_file_is_known_to_be_another(server):
    """Written over in place: what was not yet read is gone, and no two versions may meet in one answer."""
    write(server.root / "file.bin", OLD)
    tag = ask(server.port, "/file.bin", method="HEAD")["etag"]
    with begun(server, "/file.bin") as client:
        with (server.root / "file.bin").open("r+b") as file:
            file.write(NEW)
        until(lambda: ask(server.port, "/file.bin", method="HEAD")["etag"] != tag, "a new tag", SOON_SECONDS)
        await_body(server, "/file.bin", NEW)
        body = client.rest_or_reset()
    assert len(body) < SIZE
    assert OLD.startswith(body)


@pytest.mark.parametrize("size", [10, 5 * MIB], ids=["small", "large"])
def test_a_file_unpacked_anew_with_its_old_time_and_size_is_seen_to_be_another(server, size):
    path = server.root / "file.bin"
    for number in range(4):
        content = noise(size, number)
        path.unlink(missing_ok=True)
        write(path, content)
        assert (path.stat().st_mtime, path.stat().st_size) == (LONG_AGO_SECONDS, size)
        await_body(server, "/file.bin", content)


@pytest.mark.parametrize("size", [10, 5 * MIB], ids=["small", "large"])
def test_a_file_written_over_with_its_old_time_and_size_is_seen_to_be_another(server, size):
    path = server.root / "file.bin"
    for number in range(4):
        content = noise(size, number)
        write(path, content)
        await_body(server, "/file.bin", content)


@pytest.mark.parametrize("size", [10, 5 * MIB], ids=["small", "large"])
def test_a_file_written_twice_within_one_tick_of_its_clock_is_seen_to_be_another(server, size):
    """A second write to a page that is dirty leaves no trace in the inode: neither time moves."""
    path = server.root / "file.bin"
    path.write_bytes(noise(size))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:5] = b"first"
        before = path.stat()
        assert ask(server.port, "/file.bin").body == b"first" + noise(size)[5:]
        mapped[:5] = b"twice"
        after = path.stat()
        if size < KIB:  # a direct read writes the page back first, and then the second write leaves one
            assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
        await_body(server, "/file.bin", b"twice" + noise(size)[5:])


def test_a_small_file_that_was_young_is_read_once_more_and_never_again(server):
    (server.root / "file.txt").write_bytes(b"young")

    def admitted() -> int:
        assert ask(server.port, "/file.txt").body == b"young"
        return int(server.state()["small_files_admitted"])

    assert admitted() == 1
    until(lambda: admitted() == 2, "that it is read again", SOON_SECONDS)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert admitted() == 2


def test_a_file_that_appears_is_found_where_there_was_none(server):
    assert ask(server.port, "/file.txt").status == 404
    write(server.root / "file.txt", b"here\n")
    await_body(server, "/file.txt", b"here\n")


def test_a_directory_that_becomes_a_file_is_one(server):
    (server.root / "name").mkdir()
    assert ask(server.port, "/name").status == 301
    (server.root / "name").rmdir()
    write(server.root / "name", b"file\n")
    await_body(server, "/name", b"file\n")


def test_a_validator_never_stands_for_two_versions(server):
    """Two versions within one second: the tag tells them apart, and is weak as long as it might not."""
    path = server.root / "file.txt"
    path.write_bytes(b"one")
    first = ask(server.port, "/file.txt")
    path.write_bytes(b"two")
    await_body(server, "/file.txt", b"two")
    second = ask(server.port, "/file.txt")
    assert first["etag"] != second["etag"]
    assert ask(server.port, "/file.txt", f"If-None-Match: {first['etag']}").status == 200
    assert ask(server.port, "/file.txt", f"If-None-Match: {second['etag']}").status == 304
    until(lambda: not ask(server.port, "/file.txt")["etag"].startswith("W/"), "a strong tag", SOON_SECONDS)


def test_a_file_in_use_is_closed_when_nobody_uses_it_any_more(server):
    write(server.root / "file.bin", OLD)
    with begun(server, "/file.bin") as client:
        (server.root / "file.bin").unlink()
        until(lambda: ask(server.port, "/file.bin").status == 404, "that it is gone", SOON_SECONDS)
        client.reset()
    until(lambda: not any("file.bin" in name for name in server.descriptors), "that it is closed")
