"""`headrace compress`, as a process, judged by other decompressors than ours."""

import gzip
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import brotli
import pytest
import zstandard

from server.command.codings import Job, Kind, obey, worth_it
from tests.rig.until import until

ENOUGH_SECONDS = 60
TEXT = b"".join(b"line %d of a page that repeats itself\n" % n for n in range(2000))
DECOMPRESS = {
    ".gz": gzip.decompress,
    ".br": brotli.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompress(data),
}
MIB = 1024 * 1024


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "server.command.compress", *map(str, arguments)]


def compress(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--jobs", 1, *arguments), capture_output=True, text=True, timeout=ENOUGH_SECONDS
    )


def facts(root: Path) -> dict[str, tuple[int, ...]]:
    return {
        str(path.relative_to(root)): (found.st_ino, found.st_mtime_ns, found.st_size)
        for path in sorted(root.rglob("*"))
        if (found := path.lstat()) and not stat.S_ISDIR(found.st_mode)
    }


def make_site(root: Path) -> Path:
    (root / "deep").mkdir()
    for name in ("index.html", "deep/app.js", "app.wasm", "photo.jpg", "logo.svgz"):
        (root / name).write_bytes(TEXT)
        os.utime(root / name, ns=(0, 1_700_000_000_123_456_789))
    (root / "small.css").write_bytes(TEXT[:1023])
    (root / "noise.txt").write_bytes(os.urandom(4096))
    (root / ".git").mkdir()
    (root / ".git" / "config.txt").write_bytes(TEXT)
    (root / "deep" / "app.js").chmod(0o640)
    return root


def test_what_is_made_is_the_original_again_with_its_time_and_mode_and_a_second_run_makes_nothing(tmp_path):
    before = facts(make_site(tmp_path))
    done = compress(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    after = facts(tmp_path)
    originals = ("index.html", "deep/app.js", "app.wasm")
    assert set(after) - set(before) == {name + ending for name in originals for ending in DECOMPRESS}
    for name in originals:
        for ending, decompress in DECOMPRESS.items():
            path = tmp_path / (name + ending)
            assert decompress(path.read_bytes()) == TEXT
            assert path.stat().st_mtime_ns == 1_700_000_000_123_456_789
            assert path.stat().st_mode == (tmp_path / name).stat().st_mode
    assert compress(tmp_path).returncode == 0
    assert facts(tmp_path) == after


def test_the_same_content_gives_the_same_bytes(tmp_path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_bytes(TEXT)
        compress(tmp_path / name)
        made.append({path.suffix: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    # RFC 1952 section 2.3: no flags (so no name), no time
    assert made[0][".gz"][3:8] == bytes(5)


def test_a_zstd_frame_says_its_size_and_its_window_is_at_most_8_mib(tmp_path):
    """RFC 9659 section 3."""
    with open(tmp_path / "big.json", "wb") as file:
        file.truncate(20 * MIB)
    assert compress(tmp_path, "--codings", "zst").returncode == 0
    frame = zstandard.get_frame_parameters((tmp_path / "big.json.zst").read_bytes())
    assert frame.content_size == 20 * MIB
    assert frame.window_size <= 8 * MIB


def test_an_original_that_has_changed_is_compressed_again(tmp_path):
    page = tmp_path / "a.txt"
    page.write_bytes(TEXT)
    compress(tmp_path, "--codings", "gz")
    page.write_bytes(TEXT + TEXT)
    os.utime(page, (1, 1))  # older than what is there: unpacked, say
    compress(tmp_path, "--codings", "gz")
    assert gzip.decompress((tmp_path / "a.txt.gz").read_bytes()) == TEXT + TEXT


@pytest.mark.parametrize("epoch", [1, 315_532_800])
def test_an_original_replaced_by_one_of_the_same_time_is_compressed_again(tmp_path, epoch):
    """Builds that give every file the same time: a new version is renamed over the old one."""
    page, new = tmp_path / "a.txt", tmp_path / ".new"
    for version in (b"one", b"two", b"six"):
        new.write_bytes(TEXT + version)
        os.utime(new, (epoch, epoch))
        new.rename(page)
        compress(tmp_path)
        for ending, decompress in DECOMPRESS.items():
            assert decompress((tmp_path / f"a.txt{ending}").read_bytes()) == TEXT + version
    new.write_bytes(os.urandom(4096))
    os.utime(new, (epoch, epoch))
    new.rename(page)
    compress(tmp_path)  # which saves nothing, and the old ones are gone
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_others_have_made_later_is_left_alone_unless_that_is_asked_for(tmp_path):
    page, theirs = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    page.write_bytes(TEXT)
    theirs.write_bytes(gzip.compress(TEXT, 1))
    os.utime(theirs, (page.stat().st_mtime + 50,) * 2)
    before = facts(tmp_path)
    compress(tmp_path, "--codings", "gz")
    assert facts(tmp_path) == before
    compress(tmp_path, "--codings", "gz", "--force")
    assert facts(tmp_path) != before
    assert theirs.stat().st_mtime_ns == page.stat().st_mtime_ns


def test_what_is_stale_and_would_save_nothing_any_more_is_removed(tmp_path):
    page = tmp_path / "a.txt"
    page.write_bytes(TEXT)
    os.utime(page, (1, 1))
    compress(tmp_path, "--codings", "gz")
    page.write_bytes(os.urandom(4096))
    compress(tmp_path, "--codings", "gz")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(tmp_path):
    before = facts(make_site(tmp_path))
    said = compress(tmp_path, "--dry-run", "--codings", "br").stderr
    assert f"would make {tmp_path}/deep/app.js.br" in said
    assert facts(tmp_path) == before


def test_orphans_are_removed_only_if_that_is_asked_for(tmp_path):
    (tmp_path / "gone.js.br").write_bytes(b"x")
    (tmp_path / "release.tar.gz").write_bytes(b"x")  # nobody's sidecar
    compress(tmp_path)
    assert len(os.listdir(tmp_path)) == 2
    compress(tmp_path, "--prune")
    assert os.listdir(tmp_path) == ["release.tar.gz"]


def test_links_are_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_bytes(TEXT)
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.txt").symlink_to(tmp_path / "outside" / "a.txt")
    (root / "directory").symlink_to(tmp_path / "outside")
    assert compress(root).returncode == 0
    assert sorted(os.listdir(root)) == ["directory", "link.txt"]
    assert os.listdir(tmp_path / "outside") == ["a.txt"]


def test_what_cannot_be_made_is_told_and_the_rest_is_made(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "b.txt").write_bytes(TEXT)
    (tmp_path / "a.txt.gz").mkdir()
    done = compress(tmp_path, "--codings", "gz")
    assert done.returncode == 1
    assert done.stderr == f"headrace: {tmp_path}/a.txt.gz: Is a directory\n"
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "a.txt.gz", "b.txt", "b.txt.gz"]


@pytest.mark.parametrize(
    "arguments",
    [("nowhere",), (".", "--codings", "lzma"), (".", "--jobs", "0"), (".", "--min-size", "x"), ()],
)
def test_bad_usage_is_status_2(tmp_path, arguments):
    assert compress(*arguments).returncode == 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_unfinished_behind(tmp_path, stop):
    (tmp_path / "big.txt").write_bytes(os.urandom(8 * MIB).hex().encode())  # brotli takes tens of seconds
    process = subprocess.Popen(
        command(tmp_path, "--codings", "br"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: len(os.listdir(tmp_path)) == 2, "the temporary file")
    os.killpg(process.pid, stop)  # as a terminal does
    _, said = process.communicate(timeout=ENOUGH_SECONDS)
    assert process.returncode == 130
    assert said == "headrace: interrupted; what is there is whole\n"
    assert os.listdir(tmp_path) == ["big.txt"]


def test_a_file_that_changes_meanwhile_is_left(tmp_path):
    page = tmp_path / "a.txt"
    page.write_bytes(TEXT)
    # Somebody writes between two reads.
    job = Job(str(page), f"{page}.gz", str(tmp_path / ".temporary"), "gz", True)
    read = os.read

    def change(source: int, count: int) -> bytes:
        piece = read(source, count)
        page.write_bytes(TEXT + b"more")
        return piece

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "read", change)
        assert obey(job).kind is Kind.CHANGED
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.html", True), ("a.JS", True), ("a.json", True), ("a.svg", True), ("a.wasm", True),
        ("a.xml", True), ("a.ttf", True), ("a.otf", True), ("a.webmanifest", True), ("feed.atom", True),
        ("a.svgz", False), ("a.woff2", False), ("a.png", False), ("a.mp4", False), ("a.zip", False),
        ("a.js.gz", False), ("a.js.br", False), ("a.pdf", False), ("a", False), ("a.unknown", False),
    ],
)  # fmt: skip
def test_files_of_types_that_get_smaller_are_worth_it(name, expected):
    assert worth_it(name) is expected
