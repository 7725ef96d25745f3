"""`study serve` as programs ask it: what it shows, to whom, and what it does not do."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HANG, SLOW, Study, wait_until
from serving import Served, served
from starlette.testclient import TestClient
from storages import made_storage

from study.declare.claims import increasing
from study.serve.app import Pages
from study.serve.following import Following
from study.store.records import encoded
from study.store.trial_store import TrialStore

TITLE = "<script>alert(1)</script> & {{ 7 * 7 }}"
ARMS = {"12": (0.95, 0.96, 0.97), "25": (0.96, 0.97, "diverged"), '<img src="x">': (0.9, None, "stopped")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    claim = increasing("test_accuracy", "Wider is <b>better</b>.", "12", "25")
    store = made_storage(folder / "results", ARMS, claims=[claim], title=TITLE)
    made_storage(folder / "other", {"12": (0.94, 0.95, 0.96), "25": (0.96, 0.97, 0.98)})
    result = store.result("12-0")
    result["provenance"]["continued"] = [
        {"step": 2, "at": "2026-01-02T00:00:00+00:00", "node": "<b>host</b>"}
    ]
    store.files.write("trials/12-0/result.json", encoded({k: v for k, v in result.items() if k != "sha256"}))
    store.save_error('<img src="x">-1', "Traceback\nValueError: <script>alert(2)</script>")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Served]:
    with served(folder, "--also", "other") as page:
        page.wait_for("/", "width")
        page.wait_for("/study/width", "95.00 %")
        yield page


def test_a_study_is_shown_with_its_table_claims_trials_and_how_to_run_it_again(page: Served) -> None:
    shown = page.ask("/study/width").text
    assert "96.00 ± 2.48" in shown
    assert "8/9" in shown
    assert "Wider is &lt;b&gt;better&lt;/b&gt;." in shown
    assert "study tune search_spaces/width.py --seeds 3" in shown
    for state in ("finished", "diverged", "stopped early"):
        assert f"<td>{state}</td>" in shown
    assert '<td class="bad">failed</td>' in shown
    assert "1 diverged" in page.ask("/").text


def test_whoever_asks_before_the_storage_was_read_is_told_so(folder: Path) -> None:
    following = Following(TrialStore(folder / "results"))
    browser = TestClient(Pages({"results": following}).app())
    answer = browser.get("/study/width")
    assert answer.status_code == 503  # 404 would say that there is no such study
    assert answer.headers["retry-after"] == "2"
    assert "The storage has not been read yet." in answer.text
    assert 'http-equiv="refresh"' in answer.text
    following.start()
    wait_until(lambda: browser.get("/study/width").status_code == 200, "the study's page")
    assert browser.get("/study/nothing").status_code == 404
    following.stop()


def test_when_a_study_last_changed_is_when_its_last_trial_was_begun(page: Served) -> None:
    assert '<time datetime="2026-01-01T00:00:00+00:00">' in page.ask("/study/width").text


def test_nothing_of_a_storage_becomes_markup(page: Served) -> None:
    for path in (
        "/",
        "/study/width",
        "/study/width/trial/12-0",
        "/study/width?of=%3Cscript%3E&page=x",
        "/compare",
    ):
        text = page.ask(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "& 49" not in text
    for figure in ("curves.json?seeds=on", "effects.json"):
        assert "<img" not in page.ask(f"/study/width/{figure}").text


def test_the_address_says_which_studies_and_trials_are_shown(page: Served) -> None:
    assert "Does width matter?" in page.ask("/?q=script+matter&sort=changed").text
    assert "No study is like that." in page.ask("/?q=depth").text
    assert "No study is like that." in page.ask("/?state=finished").text
    assert "Does width matter?" in page.ask("/?state=unfinished").text
    shown = page.ask("/study/width?of=25&state=diverged").text
    assert ">1 trials" in shown
    assert "<td>finished</td>" not in shown


def test_figures_hold_what_is_asked_for(page: Served) -> None:
    curves = page.ask("/study/width/curves.json").json
    assert {one["name"] for one in curves["data"]} == {"12", "25", '&lt;img src="x"&gt;'}
    (line,) = [one for one in curves["data"] if one["name"] == "12" and "fill" not in one]
    assert line["y"] == pytest.approx([11.0, 21.0, 31.0, 41.0])
    rough = page.ask("/study/width/curves.json?smooth=0&arm=12&seeds=on&logy=on").json
    assert rough["layout"]["yaxis"]["type"] == "log"
    assert [one["name"] for one in rough["data"]].count("12, seed 2") == 1
    tested = page.ask("/study/width/curves.json?metric=test_accuracy&arm=12").json
    assert tested["layout"]["yaxis"]["title"]["text"] == "top-1 test accuracy, %"
    effects = page.ask("/study/width/effects.json").json
    assert effects["data"][1]["y"][:2] == pytest.approx([96.0, 96.5])
    assert page.ask("/study/width/nothing.json").status == 404


def test_tables_are_csv_and_figures_on_paper_svg_png_and_pdf(page: Served) -> None:
    table = page.ask("/study/width/table.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1].startswith("12,")
    assert len(page.ask("/study/width/trials.csv").text.splitlines()) == 10
    for kind, begins in (("svg", "<?xml"), ("png", "\ufffdPNG"), ("pdf", "%PDF")):
        for figure in ("curves", "effects"):
            assert page.ask(f"/study/width/{figure}.{kind}").text.startswith(begins)


def test_a_trial_is_shown_with_what_it_is_and_its_neighbours(page: Served) -> None:
    shown = page.ask("/study/width/trial/12-0").text
    assert "top-1 test accuracy 95.00 %" in shown
    assert "a processor" in shown
    assert 'href="/study/width/trial/25-0"' in shown
    assert "at step 2, at 2026-01-02T00:00:00+00:00, on &lt;b&gt;host&lt;/b&gt;" in shown
    assert page.ask("/study/width/trial/12-0/curves.json").json["data"][0]["y"] == pytest.approx(
        [10, 20, 30, 40]
    )


def test_studies_of_two_storages_are_compared(page: Served) -> None:
    shown = page.ask("/compare").text
    other = re.findall(r"<option>(width in [^<]+)</option>", shown)[0]
    compared = page.ask(f"/compare?a=width&b={other.replace(' ', '+')}").text
    assert "B − A in points over the seeds that both have" in compared
    assert "96.00 (3)" in compared
    assert "95.00 (3)" in compared
    assert "−1.00" in compared


def test_only_what_changed_is_sent_again(page: Served) -> None:
    first = page.ask("/study/width")
    again = page.ask("/study/width", If_None_Match=first.headers["etag"])
    assert (again.status, again.text) == (304, "")


def test_no_path_reaches_the_file_system(page: Served) -> None:
    for path in (
        "/study/..%2f..%2fetc%2fpasswd", "/study/width/trial/..%2f..%2f..%2fother", "/static/../app.py",
        "/static/..%2fapp.py", "/study/width/..%2fx.svg", "/study/width/trial/%00", "/study/other",
    ):  # fmt: skip
        assert page.ask(path).status == 404


def test_browsers_are_told_to_run_no_script_but_ours(page: Served) -> None:
    for path in ("/", "/study/none", "/static/page.js"):
        headers = page.ask(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["script-src"] == "'self'"
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
    assert re.search(r"<script(?! src=)|\son\w+=|style=", page.ask("/study/width").text) is None


def test_it_can_only_be_read_and_by_its_own_name_alone(page: Served) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert page.ask("/study/width", method).status == 405
    port = page.address.rstrip("/").rpartition(":")[2]
    for host, status in (
        ("evil.example", 421),
        (f"localhost:{port}", 200),
        (f"[::1]:{port}", 200),
        ("", 421),
        ("[", 421),
    ):
        assert page.ask("/", host_=host).status == status


def test_events_tell_of_a_new_result_and_a_storage_that_goes_away_comes_back(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "other", tmp_path / "results")
    key = tmp_path / "results/trials/25-2"
    key.rename(tmp_path / "kept")
    with served(tmp_path) as page:
        page.wait_for("/study/width", "5/6")
        (tmp_path / "kept").rename(key)
        page.wait_for("/study/width", "6/6")
        (tmp_path / "results").rename(tmp_path / "away")
        page.wait_for("/study/width", "is not there any more. Shown is what was read before.")
        (tmp_path / "away").rename(tmp_path / "results")
        page.wait_for("/study/width", r"<div id=\"notices\" data-live>\s*</div>")
        result = tmp_path / "results/trials/12-0/result.json"
        content = result.read_text()
        result.unlink()
        page.wait_for("/study/width", "5/6")
        result.write_text(content.replace("0.94", "0.95"))
        assert str(result) in page.wait_for("/", "the checksum does not match")


def test_with_a_host_that_others_reach_a_token_is_asked_for(folder: Path) -> None:
    with served(folder, "--ask-token", RAY_AUTH_TOKEN="secret") as page:
        for path in ("/", "/study/width", "/study/width/table.csv", "/events"):
            asked = page.ask(path)
            assert (asked.status, "Does width" in asked.text, "Token" in asked.text) == (401, False, True)
        assert page.ask("/", Authorization="Bearer secret").status == 200
        assert page.ask("/", Authorization="Bearer wrong").status == 401
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        assert page.ask("/login", "POST", "token=wrong", **form).status == 401
        entered = page.ask("/login", "POST", "token=secret", **form)
        assert (entered.status, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "secret" not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert page.ask("/", Cookie=cookie.split(";")[0]).status == 200
        assert page.ask("/", Cookie="study-page=x").status == 401


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_when_it_is_told_to(folder: Path, sent: signal.Signals) -> None:
    with served(folder) as page:
        page.process.send_signal(sent)
        out, err = page.process.communicate(timeout=HANG)
        assert (page.process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_and_a_package_that_is_missing_are_said(study: Study, page: Served) -> None:
    port = page.address.rstrip("/").rpartition(":")[2]
    done = study("serve", "--port", port)
    assert done.returncode == 2
    assert f"127.0.0.1:{port} can't be listened on: Address already in use" in done.stderr
    (study.folder / "missing").mkdir()
    (study.folder / "missing/starlette.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'starlette'\", name='starlette')\n"
    )
    path = os.pathsep.join([str(study.folder / "missing"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = study("serve", PYTHONPATH=path)
    assert done.returncode == 2
    assert "study serve needs starlette: pip install 'study[serve]'" in done.stderr


def test_a_run_can_have_its_page_until_it_ends(study: Study) -> None:
    (study.folder / "slow.py").write_text(SLOW)
    run = study.begin("tune", "slow.py", "--seeds", "1", "--in-process", "--serve", "--port", "0")
    assert run.stderr is not None
    address = run.stderr.readline().split()[0]
    page = Served(address, run)
    page.wait_for("/study/slow", "1 running")
    assert re.search(r"<td>\d+\.\d of \d+\.\d GB</td>", page.wait_for("/running", "<h2>Machines</h2>"))
    shares = [value for line in page.ask("/machines.json").json["data"] for value in line["y"]]
    assert shares
    assert all(0 <= share <= 100 for share in shares)
    (study.folder / "go").touch()
    _, err = run.communicate(timeout=HANG)
    assert run.returncode == 0, err
    with pytest.raises(ConnectionRefusedError):
        page.ask("/")


def test_a_page_ends_with_a_run_that_is_killed(study: Study) -> None:
    (study.folder / "slow.py").write_text(SLOW)
    run = study.begin("tune", "slow.py", "--seeds", "1", "--in-process", "--serve", "--port", "0")
    assert run.stderr is not None
    page = Served(run.stderr.readline().split()[0], run)
    page.wait_for("/study/slow", "1 running")
    run.kill()
    run.communicate(timeout=HANG)

    def is_gone() -> bool:
        try:
            page.ask("/")
        except OSError:
            return True
        return False

    wait_until(is_gone, "the end of the page")


def test_a_run_whose_page_cannot_be_served_is_not_begun(study: Study, page: Served) -> None:
    (study.folder / "slow.py").write_text(SLOW)
    port = page.address.rstrip("/").rpartition(":")[2]
    done = study("tune", "slow.py", "--in-process", "--serve", "--port", port)
    assert done.returncode == 2
    assert "can't be listened on: Address already in use" in done.stderr
    assert not (study.folder / "results/trials").exists()


def test_what_a_running_trial_says_and_cannot_be_read_is_named_and_stays_named(tmp_path: Path) -> None:
    made_storage(tmp_path / "results", {"12": (0.95, None)})
    trial = tmp_path / "results/trials/12-1"
    trial.mkdir()
    (trial / "running.json").write_text("{}")
    with served(tmp_path) as page:
        page.wait_for("/", "running.json: has no checksum")
        assert all("running.json: has no checksum" in page.ask("/").text for _ in range(50))


def test_a_storage_on_s3_is_followed(bucket: str, s3: dict[str, str], tmp_path: Path) -> None:
    arms = {"12": (0.95, 0.96), "25": (0.96, None)}
    made_storage(f"{bucket}/served", arms)
    with served(tmp_path, "--storage", f"{bucket}/served", **s3) as page:
        page.wait_for("/study/width", "3/4")
        made_storage(f"{bucket}/served", arms | {"25": (0.96, 0.97)})
        page.wait_for("/study/width", "4/4")
        page.wait_for("/study/width", "96.50 ± ")
        assert page.ask("/study/width/curves.json").json["data"]
