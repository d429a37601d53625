"""Downloads against a server on the loopback address that breaks off, forgets ranges, and errs."""

import fcntl
import gzip
import resource
import socket
import subprocess
import sys
import time
from hashlib import sha256

import pytest
from servers import Server, serving

from morse.fetching.http import download
from morse.files import DamagedFile, UnwritableFile
from morse.published import Source

CONTENT = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with serving(Server(CONTENT)) as running:
        yield running


@pytest.fixture
def source(server, tmp_path):
    digest = f"sha256:{sha256(CONTENT).hexdigest()}"
    return Source("model", tmp_path / "store" / "w.pt", url=f"{server.url}/w.pt", size=len(CONTENT), digest=digest)


def changed(source, **changes):
    return Source(**vars(source) | changes)


def assert_nothing_left(source):
    assert not list(source.path.parent.iterdir())


def test_a_download_is_whole_and_leaves_nothing_beside_it(server, source):
    download(source)
    assert source.path.read_bytes() == CONTENT
    assert [path.name for path in source.path.parent.iterdir()] == ["w.pt"]
    assert server.requests == [("/w.pt", None)]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_it_continues_where_it_broke_off(server, source, size):
    server.breaks = [1_000_000, 2_500_000]
    download(changed(source, size=size), pause=0)
    assert source.path.read_bytes() == CONTENT
    starts = [int(asked[6:-1]) for _, asked in server.requests[1:]]
    assert len(starts) == 2 and 0 < starts[0] <= 1_000_000 < starts[1] <= 3_500_000


def test_a_server_without_ranges_starts_over(server, source):
    server.breaks, server.ranges = [3_000_000], False
    download(source, pause=0)
    assert source.path.read_bytes() == CONTENT


def test_a_later_run_continues_what_a_killed_one_left(server, source):
    source.path.parent.mkdir()
    source.path.with_name("w.pt.part").write_bytes(CONTENT[:4_000_000])
    download(source)
    assert server.requests == [("/w.pt", "bytes=4000000-")]
    assert source.path.read_bytes() == CONTENT


def test_a_killed_process_leaves_a_part_that_the_next_run_continues(server, source):
    server.breaks = [2_000_000]
    code = (
        "import sys; from pathlib import Path; from morse.published import Source; from morse.fetching.http import "
        "download; download(Source('m', Path(sys.argv[1]), url=sys.argv[2]), pause=60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(source.path), source.url], stderr=subprocess.DEVNULL)
    part = source.path.with_name("w.pt.part")
    while not (part.is_file() and part.stat().st_size):  # it waits for its second try then
        time.sleep(0.05)
        assert process.poll() is None
    process.kill()
    process.wait()
    download(source)
    assert source.path.read_bytes() == CONTENT and server.requests[-1][1] is not None


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_that_is_all_of_the_file_needs_no_byte_more(server, source, size):
    source.path.parent.mkdir()
    source.path.with_name("w.pt.part").write_bytes(CONTENT)
    download(changed(source, size=size), pause=0)  # without a size the server answers 416
    assert source.path.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_starts_over_after_416(server, source):
    source.path.parent.mkdir()
    source.path.with_name("w.pt.part").write_bytes(CONTENT + b"more")
    download(changed(source, size=None), pause=0)
    assert source.path.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [f"bytes={len(CONTENT) + 4}-", None]


def test_faults_that_may_pass_are_tried_again(server, source):
    server.statuses = [503, 429, 500, 408]
    download(source, pause=0)
    assert source.path.read_bytes() == CONTENT and len(server.requests) == 5


def test_a_try_that_brings_bytes_does_not_count(server, source):
    server.breaks = [200_000] * 12
    download(source, pause=0)
    assert source.path.read_bytes() == CONTENT and len(server.requests) == 13


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, source):
    server.breaks, server.ranges = [300_000] * 20, False
    with pytest.raises(DamagedFile, match="cannot be fetched"):
        download(source, pause=0)
    assert len(server.requests) == 6  # the first one brought bytes


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_leaves_the_part_of_an_earlier_run(server, source, status):
    """It may be a host that limits how often it is asked."""
    source.path.parent.mkdir()
    source.path.with_name("w.pt.part").write_bytes(CONTENT[:4_000_000])
    server.statuses = [status]
    with pytest.raises(DamagedFile, match=f"answers HTTP {status}"):
        download(source)
    download(source)
    assert source.path.read_bytes() == CONTENT and server.requests[-1] == ("/w.pt", "bytes=4000000-")


@pytest.mark.parametrize("size", [True, False])
def test_a_packed_file_stays_packed_though_the_server_calls_it_encoded(server, source, size):
    server.content, server.headers = gzip.compress(CONTENT), {"Content-Encoding": "x-gzip"}
    digest = f"sha256:{sha256(server.content).hexdigest()}"
    server.breaks = [1000]
    download(changed(source, size=len(server.content) if size else None, digest=digest), pause=0)
    assert source.path.read_bytes() == server.content


def test_the_range_alone_tells_that_it_broke_off(server, source):
    """Neither the card nor the answer states a length, and there is no hash."""
    source.path.parent.mkdir()
    source.path.with_name("w.pt.part").write_bytes(CONTENT[:100])
    server.length, server.breaks = False, [1_000_000]
    download(changed(source, size=None, digest=""), pause=0)
    assert source.path.read_bytes() == CONTENT and len(server.requests) == 2


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/w.pt", "w.pt", "http://[::1/w.pt"])
def test_what_is_no_address_is_not_tried_again(source, url):
    with pytest.raises(DamagedFile, match="correct the address in the card") as error:
        download(changed(source, url=url), pause=60)
    assert "\n" not in str(error.value)
    assert_nothing_left(source)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_one_line_with_the_remedy(server, source, status):
    server.statuses = [status]
    with pytest.raises(DamagedFile, match=rf"/w.pt answers HTTP {status}; .*put the file at .*w.pt by hand") as error:
        download(source)
    assert "\n" not in str(error.value) and len(server.requests) == 1
    assert_nothing_left(source)


def test_a_server_that_never_recovers_is_one_line(server, source):
    server.statuses = [500] * 10
    with pytest.raises(DamagedFile, match="cannot be fetched .HTTP 500.; run the same command again"):
        download(source, pause=0)
    assert len(server.requests) == 5
    assert_nothing_left(source)


def test_a_server_that_always_breaks_off_leaves_the_part(server, source):
    server.breaks = [100_000] + [0] * 5
    with pytest.raises(DamagedFile, match="run the same command again, which continues"):
        download(source, pause=0)
    assert [path.name for path in source.path.parent.iterdir()] == ["w.pt.part"]
    download(source)
    assert source.path.read_bytes() == CONTENT


def test_nobody_at_the_address_is_one_line(source):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        nobody = changed(source, url=f"http://127.0.0.1:{taken.getsockname()[1]}/w.pt")
        with pytest.raises(DamagedFile, match="w.pt cannot be fetched .Connection refused.; run") as error:
            download(nobody, pause=0)
    assert "\n" not in str(error.value)
    assert_nothing_left(source)


def test_wrong_bytes_leave_nothing(server, source):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DamagedFile, match=r"w.pt.part has sha256 .*, not .*; http.* may hold another file now"):
        download(source)
    assert_nothing_left(source)


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("content", [CONTENT[:-10], CONTENT + b"more"])
def test_another_size_leaves_nothing(server, source, content, length):
    server.content, server.length = content, length
    with pytest.raises(DamagedFile, match=r"has [\d,]+ bytes, not 5,120,000|broke off after 5,119,990"):
        download(source, pause=0)
    if length or len(content) > len(CONTENT):
        assert_nothing_left(source)
    assert not source.path.exists()


def test_without_a_stated_length_the_end_of_the_answer_is_the_end(server, source):
    server.length = False
    download(changed(source, size=None))
    assert source.path.read_bytes() == CONTENT


def test_a_proxy_of_the_environment_is_asked(source, monkeypatch):
    with serving(Server(CONTENT)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        download(changed(source, url="http://nowhere.invalid/w.pt"))
        assert proxy.requests == [("http://nowhere.invalid/w.pt", None)]
    assert source.path.read_bytes() == CONTENT


def test_two_processes_do_not_fetch_one_file(source):
    source.path.parent.mkdir()
    with open(source.path.with_name("w.pt.part"), "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DamagedFile, match=r"w.pt is being fetched by another process; wait for it"):
            download(source)


def test_a_target_that_another_process_has_just_completed_is_not_touched(server, source, monkeypatch):
    """It ends after this one opened the part, and before this one locks it."""
    part, lock = source.path.with_name("w.pt.part"), fcntl.flock
    part.parent.mkdir()
    part.write_bytes(CONTENT)

    def late(file, how):
        part.replace(source.path)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    server.ranges = False  # so it would start over
    with pytest.raises(DamagedFile, match="is being fetched by another process"):
        download(source, pause=0)
    assert source.path.read_bytes() == CONTENT and server.requests == []


def test_a_full_disk_is_one_line_and_not_taken_for_a_fault_of_the_address(source):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UnwritableFile, match=r"w.pt cannot be written .File too large.; free space on that disk"):
            download(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not source.path.exists()
