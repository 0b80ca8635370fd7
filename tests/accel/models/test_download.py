import os
import random
from pathlib import Path

import pytest

from accel.models import download as module
from accel.models.download import download
from accel.models.store import ModelError, Unwritable
from tests.accel.models.records import part
from tests.accel.models.server import accepting

DATA = random.Random(1).randbytes(300_000)
PATIENT_S = 1.0
"""Long enough for the server, a thread of this process, to send something on a machine that is busy."""


@pytest.fixture
def get(site, tmp_path):
    """Downloads /file; gives what came, and the progress that was told."""

    def run(wanted=DATA, path="/file"):
        told = []
        target = tmp_path / "file.part"
        download(site.url + path, part(wanted), target, "file", lambda *facts: told.append(facts))
        return target.read_bytes(), told

    return run


def test_a_download_is_complete_and_reports_progress(site, get):
    site.files["/file"] = DATA
    came, told = get()
    assert came == DATA
    assert told[-1] == ("file", len(DATA), len(DATA))


def test_a_download_that_is_cut_off_goes_on_where_it_ended(site, get):
    site.files["/file"] = DATA
    site.cut = [100_000, 50_000]
    assert get()[0] == DATA
    assert [asked for _, asked in site.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_what_an_earlier_call_left_is_not_downloaded_again(site, get, tmp_path):
    site.files["/file"] = DATA
    (tmp_path / "file.part").write_bytes(DATA[:299_000])
    assert get()[0] == DATA
    assert site.asked == [("/file", "bytes=299000-")]


def test_what_is_there_already_is_not_asked_for(site, get, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA)
    assert get()[0] == DATA
    assert site.asked == []


def test_a_server_without_ranges_starts_again(site, get, tmp_path):
    site.files["/file"] = DATA
    site.ranges = False
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    assert get()[0] == DATA


def test_a_server_that_breaks_off_for_good_leaves_what_came_for_the_next_time(site, get, tmp_path):
    site.files["/file"] = DATA
    site.cut = [10_000] * module.TRIES
    with pytest.raises(ModelError, match=r"127.0.0.1"):
        get()
    assert (tmp_path / "file.part").read_bytes() == DATA[:40_000]
    assert get()[0] == DATA


def test_after_a_timeout_the_rest_is_requested(site, get, monkeypatch):
    monkeypatch.setattr(module, "SILENT_S", PATIENT_S)
    site.files["/file"] = DATA
    site.silent = [100_000, 50_000]
    came, told = get()
    assert came == DATA
    assert [asked for _, asked in site.asked] == ["", "bytes=100000-", "bytes=150000-"]
    assert ("file", 100_000, len(DATA)) in told


def test_repeated_timeouts_report_what_was_downloaded(site, get, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SILENT_S", PATIENT_S)
    site.files["/file"] = DATA
    site.silent = [100_000] + [0] * (module.TRIES - 1)
    with pytest.raises(ModelError) as caught:
        get()
    assert str(caught.value) == (
        f"{site.url}/file: no data for {PATIENT_S:g} s; 0.1 of 0.3 MB are downloaded, and the next pull "
        "resumes there"
    )
    assert len(site.asked) == module.TRIES
    assert get()[0] == DATA
    assert site.asked[-1] == ("/file", "bytes=100000-")


def test_a_server_that_sends_nothing_is_not_tried_again(site, get, monkeypatch):
    monkeypatch.setattr(module, "SILENT_S", 0.2)
    site.files["/file"] = DATA
    site.silent = [0]
    with pytest.raises(ModelError, match=r"/file: no data for 0\.2 s$"):
        get()
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (DATA[:-1] + b"?", "isn't the declared file (SHA-256 differs)"),
        (DATA + b"more", "is a file of 300,004 bytes instead of 300,000"),
        (DATA[:5000], "is a file of 5,000 bytes instead of 300,000"),
    ],
)
def test_another_file_is_refused_and_removed(site, get, tmp_path, wrong, says):
    site.files["/file"] = wrong
    with pytest.raises(ModelError) as caught:
        get()
    assert str(caught.value) == f"{site.url}/file {says}"
    assert not (tmp_path / "file.part").exists()
    assert len(site.asked) == 1


@pytest.mark.parametrize(("sized", "says"), [(True, "a web page of 25 bytes"), (False, "a web page")])
def test_a_page_in_place_of_the_file_is_called_one_and_costs_nothing_of_what_came(
    site, get, tmp_path, sized, says
):
    site.files["/file"] = b"<p>Log in to this network"
    site.headers["Content-Type"] = "text/html; charset=utf-8"
    site.ranges, site.sized = False, sized
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    with pytest.raises(ModelError, match=rf"/file is {says} instead of "):
        get()
    assert (tmp_path / "file.part").read_bytes() == DATA[:1000]


def test_an_answer_of_unknown_length_is_taken(site, get):
    site.files["/file"] = DATA
    site.sized = False
    assert get()[0] == DATA


def test_what_is_sent_compressed_is_refused(site, get, tmp_path):
    site.files["/file"] = DATA
    site.headers["Content-Encoding"] = "gzip"
    with pytest.raises(ModelError, match=r"/file is sent compressed \(gzip\), which wasn't requested"):
        get()
    assert not (tmp_path / "file.part").exists()


def test_an_unknown_content_encoding_is_ignored(site, get):
    site.files["/file"] = DATA
    site.headers["Content-Encoding"] = "utf-8"
    assert get()[0] == DATA


def test_a_wrong_partial_file_is_downloaded_again(site, get, tmp_path):
    site.files["/file"] = DATA
    (tmp_path / "file.part").write_bytes(b"<p>Log in")
    assert get()[0] == DATA
    assert [asked for _, asked in site.asked] == ["bytes=9-", ""]


def test_another_part_than_was_asked_for_is_not_taken(site, get, tmp_path):
    site.files["/file"] = DATA
    site.wrong_range = True
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    assert get()[0] == DATA
    assert [asked for _, asked in site.asked] == ["bytes=1000-", ""]


def test_an_answer_that_is_never_whole_is_an_error_and_no_endless_loop(site, get):
    site.files["/file"] = DATA
    site.cut = [1000] * 99
    with pytest.raises(ModelError, match=r"ended early; 0\.0 of 0\.3 MB"):
        get()
    assert len(site.asked) == module.TRIES


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux alone has a file that is always full")
def test_a_full_disk_is_not_the_servers_fault(site):
    site.files["/file"] = DATA
    with pytest.raises(Unwritable, match=r"^/dev/full can't be written \(No space left on device\)"):
        download(f"{site.url}/file", part(DATA), Path("/dev/full"), "file", lambda *_: None)
    assert len(site.asked) == 1


def test_an_http_error_is_reported_with_its_status(site, get):
    with pytest.raises(ModelError, match="answered 404"):
        get()


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"^http://127.0.0.1:9/x: [A-Z][^\[\n]*$"):
        download("http://127.0.0.1:9/x", part(DATA), tmp_path / "x", "x", lambda *_: None)


def test_redirects_are_followed_with_the_range(site, get, tmp_path):
    site.files["/there"] = DATA
    site.redirects["/file"] = site.url + "/there"
    (tmp_path / "file.part").write_bytes(DATA[:7])
    assert get()[0] == DATA
    assert site.asked[-1] == ("/there", "bytes=7-")


@pytest.mark.parametrize("to", ["/file", "/other"])
def test_a_redirect_loop_is_reported_in_one_line(site, get, to):
    site.redirects |= {"/file": site.url + to, "/other": site.url + "/file"}
    with pytest.raises(ModelError) as caught:
        get()
    assert str(caught.value) == f"{site.url}/file redirects to nowhere, or in a circle (302)"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "it closed the connection without an answer"),
        (b"\x1b[31mred\r\n\r\n", "its answer isn't HTTP"),
    ],
)
def test_an_answer_that_is_not_http_is_not_shown(tmp_path, answer, says):
    def handle(connection):
        connection.recv(65536)
        connection.sendall(answer)

    with accepting(handle) as port:
        url = f"http://127.0.0.1:{port}/x"
        with pytest.raises(ModelError) as caught:
            download(url, part(DATA), tmp_path / "x", "x", lambda *_: None)
    assert str(caught.value) == f"{url}: {says}"


def test_a_redirect_away_from_https_is_refused(site, get):
    site.redirects["/file"] = "http://models.example/file"
    with pytest.raises(ModelError, match=r"models.example/file isn't an https URL"):
        get()
