"""Run every stage, also after one has failed; the last line is `N passed, N failed`.

    python tools/test.py               everything
    python tools/test.py everywhere    only the notebooks, in three settings: the same digits in all
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

PYTEST = [sys.executable, "-m", "pytest", "-n", "2"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"]
# The cells of a notebook share a kernel, so the work is shared out by file.
NOTEBOOKS = [*PYTEST, "--dist", "loadfile", "notebooks", *NBVAL]
BOOK_TEST = "tests/test_book.py"
TWO_THREADS = {
    "OMP_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin make a busy machine ten times slower
}
OLD_CPU = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
}
count = Counter(passed=0, failed=0, skipped=0)


def stage(title, command, **settings):
    """Run one command and add what it says to `count`."""
    print(f"\n=== {title}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        if "pytest" in command:
            command = [*command, f"--junitxml={report}"]
        code = subprocess.run(command, env=os.environ | settings).returncode
        result = read(report) if report.exists() else Counter(passed=int(code == 0))
    if code and not result["failed"]:
        result["failed"] = 1  # not a test but the stage itself: coverage, a crash, nothing found
    count.update(result)


def read(report):
    """How many tests passed, failed and were skipped, from pytest's report."""
    suite = ElementTree.parse(report).find("testsuite")
    total, failures, errors, skipped = (
        int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    return Counter(passed=total - failed - skipped, failed=failed, skipped=skipped)


def install_browser():
    """Debian's Chromium, where there is none and we may install it."""
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"])
        subprocess.run(["apt-get", "install", "-y", "chromium"])


def everything():
    stage("style", [sys.executable, "-m", "ruff", "check"])
    stage("units", [*PYTEST, "tests", "dclib", f"--ignore={BOOK_TEST}", "--cov"])
    stage("notebooks", NOTEBOOKS)
    stage("book", ["make", "--no-print-directory", "book"])
    install_browser()
    stage("book in a browser", [*PYTEST, "--dist", "loadgroup", BOOK_TEST])


def everywhere():
    stage("notebooks, one thread", NOTEBOOKS)
    stage("notebooks, two threads", NOTEBOOKS, **TWO_THREADS)
    stage("notebooks, as an old CPU would", NOTEBOOKS, **OLD_CPU)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    os.environ["OMP_NUM_THREADS"] = "1"
    data = Path("../shared/data")
    if data.is_dir():
        os.environ.setdefault("DCLIB_DATA", str(data.resolve()))
    everywhere() if sys.argv[1:] == ["everywhere"] else everything()
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"\n{count['passed']} passed, {count['failed']} failed{skipped}")
    sys.exit(count["failed"] > 0)
