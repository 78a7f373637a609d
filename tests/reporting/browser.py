"""A page in headless Chromium: what a script finds in it, and what the page looks like to whoever asks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium here; on Debian: apt-get install chromium")


def dom(page: Path, *options: str) -> str:
    """The page's elements after its scripts ran."""
    assert BROWSER is not None
    profile = page.parent / "profile"
    command = [
        *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--window-size=1400,1500", "--virtual-time-budget=4000", f"--user-data-dir={profile}", *options),
        *("--dump-dom", page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def told(page: Path, script: str) -> Any:
    """What an expression of JavaScript is on the page. Only here the page's policy lets a script of the test in."""
    text = page.read_text(encoding="utf-8")
    opened, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert policies == 1
    probe = f"<script>document.documentElement.dataset.told = JSON.stringify((() => {{ {script} }})());</script>"
    copy = page.with_name(f"probed-{page.name}")
    copy.write_text(opened.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    found = re.search(r'data-told="([^"]*)"', dom(copy))
    assert found is not None
    return json.loads(unescape(found[1]))
