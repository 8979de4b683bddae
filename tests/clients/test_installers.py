"""apt, pip and git: programs that install from directories, on a server that knows nothing of them."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.programs import command, digest_of, run, succeed, url
from tests.rig.files import LONG_AGO_SECONDS, MIB, noise, write
from tests.rig.server import Server, serving
from tests.rig.until import until

LINE = re.compile(r'"[A-Z]+ (\S+) HTTP/1\.1" (\d+) ')  # of the access log: what was asked for, the status
PACKAGES = ["headrace-large", *(f"headrace-{n}" for n in range(20))]  # more than apt has under way at once
LARGE_DEB = f"{PACKAGES[0]}_1.0_all.deb"
LARGE = noise(3 * MIB)
CONTROL = """\
Package: {}
Version: 1.0
Architecture: all
Maintainer: Miller <miller@example.org>
Description: water
"""
APT_CONFIG = """\
Dir "{root}";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::Bin::dpkg "/usr/bin/dpkg";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
DPkg::Options {{ "--root={root}"; "--log={root}/dpkg.log"; "--force-script-chrootless"; }};
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: headrace\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
PIP = ("PIP_CONFIG_FILE=/dev/null", sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check")
PATIENT = ("--retries", "0", "--timeout", "20", "--trusted-host", "127.0.0.1")
MILLER = ("-c", "user.name=Miller", "-c", "user.email=miller@example.org", "-c", "init.defaultBranch=main")


@dataclass(frozen=True)
class Logged:
    """A server, and its access log."""

    server: Server
    log: Path

    def asked(self) -> list[tuple[str, int]]:
        """Every request so far."""
        return [(target, int(status)) for target, status in LINE.findall(self.log.read_text())]

    def await_asked(self, target: str, status: int) -> None:
        """The log is written by a thread: it may come a little later."""
        until(
            lambda: any(target in one and found == status for one, found in self.asked()), f"{target} logged"
        )


@contextmanager
def logging(root: Path, log: Path, *options: str) -> Iterator[Logged]:
    with log.open("wb") as out, serving(root, "--log", "common", *options, stdout=out.fileno()) as server:
        yield Logged(server, log)


class Machine:
    """A Debian without anything, for apt and dpkg: this one's own stays as it is."""

    PLACES = (
        "etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/dpkg", "var/lib/apt", "var/log/apt",
        "var/cache/apt/archives/partial",
    )  # fmt: skip

    def __init__(self, home: Path, source: str) -> None:
        self.home, self.root = home, home / "machine"
        for place in self.PLACES:
            (self.root / place).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {source} stable main\n")
        (home / "apt.conf").write_text(APT_CONFIG.format(root=self.root))

    def apt_get(self, *arguments: str) -> str:
        apt = command("apt-get", "--quiet", "--yes", *arguments)
        return succeed("env", f"APT_CONFIG={self.home / 'apt.conf'}", *apt, home=self.home)


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as Debian's are."""
    home = tmp_path_factory.mktemp("debian")
    binary = home / "debian/dists/stable/main/binary-amd64"
    pool = home / "debian/pool"
    binary.mkdir(parents=True)
    pool.mkdir()
    for name in PACKAGES:
        package = home / name
        (package / "DEBIAN").mkdir(parents=True)
        (package / "DEBIAN/control").write_text(CONTROL.format(name))
        write(package / "usr/share" / name, LARGE if name == PACKAGES[0] else noise(4000))
        built = pool / f"{name}_1.0_all.deb"
        succeed("dpkg-deb", "--root-owner-group", "-Znone", "--build", package, built, home=home)
    packages = subprocess.check_output(
        command("apt-ftparchive", "packages", "pool"), cwd=home / "debian", timeout=60
    )
    for name, content in {"Packages": packages, "Packages.gz": gzip.compress(packages)}.items():
        (binary / name).write_bytes(content)
        for kind in ("SHA256", "SHA512"):
            (binary / "by-hash" / kind).mkdir(parents=True, exist_ok=True)
            (binary / "by-hash" / kind / hashlib.new(kind, content).hexdigest()).write_bytes(content)
    says = {"Suite": "stable", "Components": "main", "Architectures": "amd64", "Acquire-By-Hash": "yes"}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in says.items()]
    release = subprocess.check_output(
        command("apt-ftparchive", *options, "release", home / "debian/dists/stable"), timeout=60
    )
    (home / "debian/dists/stable/Release").write_bytes(release)
    for path in (home / "debian").rglob("*"):  # apt asks again by the date, and a young file has none
        os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))
    return home / "debian"


@pytest.fixture
def packages(debian: Path, tmp_path: Path) -> Iterator[Logged]:
    with logging(debian, tmp_path / "log") as packages:
        yield packages


@pytest.fixture
def machine(packages: Logged, tmp_path: Path) -> Machine:
    return Machine(tmp_path, url(packages.server))


@pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs only as root")
def test_apt_installs_from_a_repository(packages: Logged, machine: Machine) -> None:
    machine.apt_get("update")
    machine.apt_get("install", *PACKAGES)
    assert (machine.root / "usr/share" / PACKAGES[0]).read_bytes() == LARGE
    assert sorted(path.name for path in (machine.root / "usr/share").iterdir()) == sorted(PACKAGES)
    status = (machine.root / "var/lib/dpkg/status").read_text()
    assert status.count("Status: install ok installed") == len(PACKAGES)


def test_apt_downloads_many_packages_on_one_connection(
    debian: Path, packages: Logged, machine: Machine
) -> None:
    """With as many requests sent ahead as apt sends by itself (Acquire::http::Pipeline-Depth)."""
    machine.apt_get("update")
    before = packages.server.await_quiet()["accepted"]
    said = machine.apt_get("-oDebug::Acquire::http=1", "download", *PACKAGES)
    assert "GET GET GET" in " ".join(re.findall(r"^GET|^Answer", said, re.MULTILINE))
    assert packages.server.await_quiet()["accepted"] == before + 1
    for name in PACKAGES:
        deb = f"{name}_1.0_all.deb"
        assert digest_of(machine.home / deb) == digest_of(debian / "pool" / deb)


def test_apt_takes_its_index_by_hash(packages: Logged, machine: Machine) -> None:
    said = machine.apt_get("update")
    assert "Err:" not in said
    packages.await_asked("/by-hash/SHA", 200)
    assert not [target for target, _ in packages.asked() if target.endswith(("/Packages", "/Packages.gz"))]


def test_apt_hears_that_nothing_has_changed(packages: Logged, machine: Machine) -> None:
    assert re.search(r"^Get:\d+ \S+ stable Release ", machine.apt_get("update"), re.MULTILINE)
    said = machine.apt_get("update")
    assert re.search(r"^Hit:\d+ \S+ stable Release$", said, re.MULTILINE), said
    assert "Get:" not in said
    packages.await_asked("/dists/stable/Release", 304)


def test_apt_resumes_a_package_that_broke_off(debian: Path, packages: Logged, machine: Machine) -> None:
    machine.apt_get("update")
    whole = (debian / "pool" / LARGE_DEB).read_bytes()
    archives = machine.root / "var/cache/apt/archives"
    write(archives / "partial" / LARGE_DEB, whole[: len(whole) // 2])
    machine.apt_get("install", "--download-only", PACKAGES[0])
    assert (archives / LARGE_DEB).read_bytes() == whole
    packages.await_asked(LARGE_DEB, 206)
    assert (f"/pool/{LARGE_DEB}", 200) not in packages.asked()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two wheels: in a simple index (PEP 503), in one without pages, and all in one directory."""
    root = tmp_path_factory.mktemp("index")
    for project, needs in {"headrace-mill": "headrace-water", "headrace-water": ""}.items():
        name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
        (root / "wheels").mkdir(exist_ok=True)
        make_wheel(root / "wheels" / name, project, needs)
        for place in ("simple", "bare"):
            (root / place / project).mkdir(parents=True)
            shutil.copy2(root / "wheels" / name, root / place / project)
        link = f'<a href="{name}#sha256={digest_of(root / "wheels" / name)}">{name}</a>'
        (root / "simple" / project / "index.html").write_text(f"<!doctype html>\n{link}\n")
    return root


def make_wheel(path: Path, project: str, needs: str) -> None:
    module, _, _ = path.name.partition("-")
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
    if needs:
        metadata += f"Requires-Dist: {needs}\n"
    files = {
        f"{module}.py": b"FLOWS = True\n",
        f"{module}.bin": noise(MIB),
        f"{module}-1.0.dist-info/METADATA": metadata,
        f"{module}-1.0.dist-info/WHEEL": WHEEL,
    }
    record = f"{module}-1.0.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))


def pip(*arguments: object, home: Path) -> str:
    return succeed("env", *PIP, *arguments, home=home)


def test_pip_installs_from_a_simple_index(index: Path, tmp_path: Path) -> None:
    with logging(index, tmp_path / "log") as projects:
        asked = ("--index-url", url(projects.server, "simple/"), "--target", "got", "headrace-mill")
        pip("install", "--no-cache-dir", *PATIENT, *asked, home=tmp_path)
        assert (tmp_path / "got/headrace_mill.py").is_file()
        assert (tmp_path / "got/headrace_water.bin").read_bytes() == noise(MIB)
        # PEP 503: a client asks with the slash. Nothing is redirected, nothing is asked twice.
        projects.await_asked("/simple/headrace-water/headrace_water-1.0-py3-none-any.whl", 200)
        assert sorted(projects.asked()) == sorted(
            (f"/simple/{name}/{file}", 200)
            for name in ("headrace-mill", "headrace-water")
            for file in ("", f"{name.replace('-', '_')}-1.0-py3-none-any.whl")
        )


def test_pip_hears_that_nothing_has_changed(index: Path, tmp_path: Path) -> None:
    with logging(index, tmp_path / "log") as projects:
        asked = ("--index-url", url(projects.server, "simple/"), "--cache-dir", tmp_path / "cache")
        for place in ("first", "second"):
            pip("download", *PATIENT, *asked, "--dest", place, "headrace-mill", home=tmp_path)
        assert digests(tmp_path / "second") == digests(index / "wheels")
        projects.await_asked("/headrace_water-1.0-py3-none-any.whl", 304)
        assert [status for _, status in projects.asked()] == [200] * 4 + [304] * 4


@pytest.mark.parametrize(
    "where", [pytest.param("--find-links wheels/", id="wheels"), pytest.param("--index-url bare/", id="bare")]
)
def test_pip_installs_from_a_listed_directory(index: Path, tmp_path: Path, where: str) -> None:
    option, _, path = where.partition(" ")
    with logging(index, tmp_path / "log", "--listing", "yes") as projects:
        only = ["--no-index"] if option == "--find-links" else []
        found = (*only, option, url(projects.server, path), "--dest", "got", "headrace-mill")
        pip("download", "--no-cache-dir", *PATIENT, *found, home=tmp_path)
    assert digests(tmp_path / "got") == digests(index / "wheels")


def digests(directory: Path) -> dict[str, str]:
    return {path.name: digest_of(path) for path in directory.iterdir()}


def git(*arguments: object, home: Path) -> str:
    return succeed("env", "GIT_CONFIG_NOSYSTEM=1", *command("git", *MILLER, *arguments), home=home)


def commit(work: Path, name: str, content: bytes) -> str:
    """The id of the new commit."""
    write(work / name, content)
    git("add", name, home=work)
    git("commit", "--quiet", "--message", name, home=work)
    return git("rev-parse", "HEAD", home=work).strip()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with its working tree, beneath the root."""
    work = tmp_path / "root/work"
    work.mkdir(parents=True)
    git("init", "--quiet", home=work)
    for n in range(5):
        commit(work, f"file {n}", noise(1000, n))
    commit(work, "large", LARGE)
    git("tag", "--annotate", "v1", "--message", "first", home=work)
    git("branch", "side", "HEAD~2", home=work)
    return work


def bare(work: Path, *, packed: bool) -> Path:
    """A repository for others, as git's manual has it: a bare one, and `git update-server-info`."""
    repository = work.parent / "repo.git"
    git("clone", "--quiet", "--bare", work, repository, home=work)
    if packed:
        git("repack", "--quiet", "-a", "-d", home=repository)
        git("pack-refs", "--all", home=repository)
    assert bool(list(repository.glob("objects/pack/*.pack"))) == packed
    git("update-server-info", home=repository)
    return repository


def assert_cloned(clone: Path, original: Path) -> None:
    assert git("rev-parse", "HEAD", home=clone) == git("rev-parse", "HEAD", home=original)
    assert git("rev-parse", "origin/side", "v1", home=clone) == git("rev-parse", "side", "v1", home=original)
    assert (clone / "large").read_bytes() == LARGE
    git("fsck", "--full", "--strict", home=clone)


@pytest.mark.parametrize("packed", [False, True], ids=["loose objects", "a pack"])
def test_git_clones_over_http_from_mere_files(work: Path, tmp_path: Path, packed: bool) -> None:
    bare(work, packed=packed)
    with serving(work.parent) as server:
        git("clone", "--quiet", url(server, "repo.git"), "clone", home=tmp_path)
        server.await_quiet()
    assert_cloned(tmp_path / "clone", work)


def test_git_fetches_what_has_been_added_to_a_pack_since(work: Path, tmp_path: Path) -> None:
    repository = bare(work, packed=True)
    with serving(work.parent) as server:
        git("clone", "--quiet", url(server, "repo.git"), "clone", home=tmp_path)
        added = commit(work, "added", noise(2000, 7))
        git("push", "--quiet", repository, "main", home=work)
        git("update-server-info", home=repository)

        def fetched() -> bool:
            git("fetch", "--quiet", home=tmp_path / "clone")
            return git("rev-parse", "origin/main", home=tmp_path / "clone").strip() == added

        until(fetched, "the new commit is fetched")
        git("merge", "--quiet", "--ff-only", "origin/main", home=tmp_path / "clone")
    assert (tmp_path / "clone/added").read_bytes() == noise(2000, 7)
    assert_cloned(tmp_path / "clone", work)


@pytest.mark.parametrize("options", [(), ("--dotfiles", "yes")], ids=["by default", "with dotfiles"])
def test_git_cannot_clone_what_lies_in_a_working_tree(
    work: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    git("update-server-info", home=work)
    with serving(work.parent, *options) as server:
        for path in ("work/.git", "work"):
            ran = run("git", "clone", url(server, path), "clone", home=tmp_path)
            assert (ran.returncode, b"not found" in ran.stderr) == (128, True), ran.stderr
