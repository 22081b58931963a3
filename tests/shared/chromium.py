"""A real browser: headless Chromium, driven by selenium."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = [
    "--headless",
    "--no-sandbox",  # which root may not use
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # It asks for nothing but the page.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]


@pytest.fixture(scope="session", name="driver")
def chromium_driver() -> Iterator[Any]:
    """The browser, which notes every request. Without it the tests are skipped, and fail in CI."""
    if not (os.access(CHROMIUM, os.X_OK) and os.access(DRIVER, os.X_OK)):
        reason = f"no {CHROMIUM} and {DRIVER}: run `make debian`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        chromium = webdriver.Chrome(options, Service(DRIVER))
        chromium.get("about:blank")  # away from the browser's own first page
        yield chromium
        chromium.quit()
