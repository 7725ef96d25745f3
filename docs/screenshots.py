"""The pictures of the pages of `study serve` that the docs show: docs/images/page-*.png.

    make screenshots

Trains three studies of the report on the embedded digits (some minutes on two cores) unless build/screenshots has them,
and leaves one with seeds that still run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

ROOT = Path(__file__).parents[1]
STORAGE = ROOT / "build" / "screenshots"
IMAGES = ROOT / "docs" / "images"
STUDY = [sys.executable, "-m", "study"]
SMALL = ["--dataset", "digits", "--set", "batch_size=32", "--set", "width=8", "--storage", str(STORAGE)]
WAIT_SECONDS = 300.0
# Name, address, width and height in CSS pixels, colour scheme.
PICTURES = (
    ("light", "study/momentum", 1200, 1500, "light"),
    ("dark", "", 1200, 640, "dark"),
    ("phone", "study/momentum", 390, 844, "light"),
)


def main() -> None:
    """Train what is missing, serve it, and take the pictures."""
    tune = [*STUDY, "tune", "learning_rate", "momentum", "loss_functions"]
    subprocess.run([*tune, "--epochs", "5", "--seeds", "3", *SMALL], cwd=ROOT, check=True)
    more = [*STUDY, "tune", "l2_regularization", "--epochs", "200", "--seeds", "2", *SMALL, "--in-process"]
    serve = [*STUDY, "serve", "--port", "0", "--storage", str(STORAGE)]
    with (
        subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
        subprocess.Popen(more, cwd=ROOT, stderr=subprocess.DEVNULL) as running,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        try:
            take(address)
        finally:
            running.terminate()
            server.terminate()


def take(address: str) -> None:
    """All pictures, once a trial runs and figures are drawn."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(word)
    # Named, they are not asked for elsewhere.
    options.binary_location = shutil.which("chromium") or ""
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    browser.get(address)
    until(lambda: "running" in browser.find_element(By.ID, "studies").text)
    for name, page, width, height, scheme in PICTURES:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get(address + page)
        if page:
            until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#curves .trace")) > 0)
        time.sleep(1)
        browser.save_screenshot(str(IMAGES / f"page-{name}.png"))
    browser.quit()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that the page is to show."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the page did not show it")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
