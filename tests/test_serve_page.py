"""The pages of `study serve` as people see them: in a real browser, while a real study runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from conftest import SLOW, Study, wait_until
from selenium import webdriver
from selenium.webdriver.common.by import By
from serving import Served, served
from storages import made_storage

from study.declare.claims import increasing


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("seen")
    claim = increasing("test_accuracy", "Wider is better.")
    made_storage(
        folder / "results",
        {"12": (0.95, 0.96, 0.97), "25": (0.96, 0.97, "diverged"), "a long label " * 9: (0.9, None, 0.93)},
        claims=[claim],
    )
    with served(folder) as page:
        page.wait_for("/study/width", "95.00 %")
        yield page


def shown_on(browser: webdriver.Chrome, width: int, scheme: str) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def drawn(browser: webdriver.Chrome, figure: str) -> int:
    """How many lines and dots a figure has."""
    return len(browser.find_elements(By.CSS_SELECTOR, f"#{figure} .trace"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_pages_fit_and_axe_finds_nothing_serious(
    page: Served, browser: webdriver.Chrome, width: int, scheme: str
) -> None:
    shown_on(browser, width, scheme)
    for path in ("/", "/study/width", "/study/width/trial/12-0", "/running", "/compare?a=width&b=width"):
        browser.get(page.address + path.lstrip("/"))
        if path.startswith("/study"):
            figure = "curve" if "trial" in path else "curves"
            wait_until(lambda figure=figure: drawn(browser, figure) > 0, f"a figure on {path}")
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path
        found = Axe().run(browser)["violations"]
        serious = [
            (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path


def test_what_a_form_asks_for_is_drawn_and_stands_in_the_address(
    page: Served, browser: webdriver.Chrome
) -> None:
    shown_on(browser, 1440, "light")
    browser.get(f"{page.address}study/width")
    wait_until(lambda: drawn(browser, "curves") > 0, "curves")
    before = drawn(browser, "curves")
    buttons = browser.find_elements(By.CSS_SELECTOR, "#curves .modebar-btn")
    assert [button.get_attribute("data-title") for button in buttons] == [
        "Zoom",
        "Pan",
        "Zoom in",
        "Zoom out",
        "Autoscale",
        "Reset axes",
        "Save as SVG",
        "Save as PNG",
    ]  # none that sends the figure anywhere
    browser.find_element(By.CSS_SELECTOR, "[data-plot=curves] [name=seeds]").click()
    wait_until(lambda: drawn(browser, "curves") > before, "lines of single seeds")
    assert "seeds=on" in browser.current_url
    browser.get(browser.current_url)
    assert browser.find_element(By.CSS_SELECTOR, "[name=seeds]").is_selected()
    wait_until(lambda: drawn(browser, "curves") > before, "the same from the address")


def test_a_study_is_followed_from_its_first_step_to_its_end_without_loading_the_page_anew(
    study: Study, browser: webdriver.Chrome
) -> None:
    (study.folder / "slow.py").write_text(SLOW)
    shown_on(browser, 1440, "light")
    with served(study.folder) as page:
        browser.get(page.address)
        wait_until(lambda: "No study has been run" in browser.page_source, "the empty storage")
        run = study.begin("tune", "slow.py", "--seeds", "1", "--in-process")
        wait_until(lambda: bool(browser.find_elements(By.LINK_TEXT, "Slow")), "the study")
        browser.find_element(By.LINK_TEXT, "Slow").click()
        browser.execute_script("window.notLoadedAnew = true")

        def said(part: str) -> str:
            return str(browser.execute_script(f"return document.getElementById('{part}').innerText"))

        def length() -> int:
            """How much is drawn of the lines of trials that are running."""
            script = "return [...document.querySelectorAll('#curves path.js-line')].map((one) => one.getAttribute('d'))"
            return sum(map(len, browser.execute_script(script)))

        wait_until(lambda: "1 running" in said("progress"), "a trial that is running")
        wait_until(lambda: length() > 0, "its curve")
        first = length()
        wait_until(lambda: length() > first, "more of its curve")
        (study.folder / "go").touch()
        assert run.wait() == 0
        wait_until(lambda: "1/1" in said("progress"), "the end")
        wait_until(lambda: "hit rate" in said("results"), "the table")
        assert browser.execute_script("return window.notLoadedAnew")
        assert browser.get_log("browser") == []


def test_a_token_is_asked_for_and_lets_in(browser: webdriver.Chrome, tmp_path: Path) -> None:
    made_storage(tmp_path / "results", {"12": (0.95,)})
    with served(tmp_path, "--ask-token", RAY_AUTH_TOKEN="secret") as page:
        browser.get(page.address)
        browser.find_element(By.NAME, "token").send_keys("secret\n")
        wait_until(lambda: "Does width matter?" in browser.page_source, "the page")
        browser.delete_all_cookies()
    browser.get_log("browser")  # that the first answer was 401
