"""Read the built book as a reader does: every page, in a real browser, with no network."""

import html
import os
import re
import shutil
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
PAGES = sorted(
    path.relative_to(BOOK).as_posix()
    for path in BOOK.glob("**/*.html")
    if "_static" not in path.parts and path != BOOK / "index.html"  # the latter only forwards
)
DESKTOP, TELEPHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

# What MyST or MathJax would have replaced, had they seen it.
RAW = {
    "TeX": r"\$[^$\n]+\$|\\[a-zA-Z]+|\\[()\[\]]",
    "a role": r"\{[a-z][\w:.-]*\}`",
    "a directive": r"^\s*(?::::|```|~~~)",
    "a link": r"\]\(",
    "bold": r"\*\*\w",
    "a table": r"\|:?--",
}
PROSE = """() => {
    const copy = (document.querySelector("article") ?? document.body).cloneNode(true);
    copy.querySelectorAll("pre, code, script, style, mjx-container").forEach(e => e.remove());
    return copy.textContent;
}"""
CONTRAST = """() => {
    const parse = text => {
        const n = text.match(/[\\d.]+/g).map(Number), unit = text.startsWith("color(") ? 255 : 1;
        return [n[0] * unit, n[1] * unit, n[2] * unit, n[3] ?? 1];
    };
    const over = (top, below) =>
        top.map((v, i) => i < 3 ? v * top[3] + below[i] * (1 - top[3]) : 1);
    const ground = e => {
        if (!e) return [255, 255, 255, 1];
        const own = parse(getComputedStyle(e).backgroundColor);
        return own[3] === 1 ? own : over(own, ground(e.parentElement));
    };
    const light = c => c.slice(0, 3)
        .map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const poor = [];
    for (const e of document.querySelectorAll("article *, nav.bd-links *")) {
        const own = [...e.childNodes].filter(node => node.nodeType === Node.TEXT_NODE);
        const text = own.map(node => node.data).join("").trim();
        if (!text || !e.checkVisibility({visibilityProperty: true})) continue;
        const below = ground(e);
        const [a, b] = [light(over(parse(getComputedStyle(e).color), below)), light(below)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(1)} <${e.localName}> ${text.slice(0, 60)}`);
    }
    return poor;
}"""
TOO_WIDE = """() => {
    const inside = e => !!e && (/auto|scroll/.test(getComputedStyle(e).overflowX)
        && e.getBoundingClientRect().right <= innerWidth + 1 || inside(e.parentElement));
    const wide = [...document.querySelectorAll("article *")].filter(e =>
        e.getBoundingClientRect().right > innerWidth + 1 && !inside(e.parentElement));
    if (document.documentElement.scrollWidth > innerWidth) wide.unshift(document.documentElement);
    return wide.map(e => `<${e.localName} class="${e.className}"> ${e.textContent.slice(0, 60)}`);
}"""


def missing(what):
    """Without a book or a browser nothing can be tested: say so; in CI that is a failure."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"BOOK NOT TESTED: {what}")


def none(trouble):
    """Fail with one line for each thing that was found wrong."""
    if trouble:
        pytest.fail("\n".join(trouble), pytrace=False)


@pytest.fixture(scope="session")
def site():
    """The address at which the built book is served."""
    if not PAGES:
        missing("it is not built; run `make book`")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=BOOK)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def tab(site):
    """One browser tab that reaches the site only and notes in `tab.trouble` what goes wrong."""
    with sync_playwright() as playwright:
        try:  # Debian's Chromium, else the one that `playwright install chromium` brings
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
        except Error as error:
            missing(f"no Chromium starts here ({error.message.splitlines()[0]})")
        tab = browser.new_page()
        tab.trouble = []

        def guard(route):
            if route.request.url.startswith(site):
                route.continue_()
            else:
                tab.trouble.append(f"asks the network for {route.request.url}")
                route.abort()

        def note(kind):
            return lambda what: tab.trouble.append(f"{kind}: {what}")

        tab.route("**/*", guard)
        tab.on("pageerror", note("script error"))
        tab.on("requestfailed", lambda request: note("request failed")(request.url))
        tab.on("console", lambda m: m.type == "error" and note("console")(m.text))
        tab.on("response", lambda r: r.status >= 400 and note(r.status)(r.url))
        yield tab
        browser.close()


# The group keeps all tests of a page in one process, which then opens it once.
@pytest.fixture(
    scope="module",
    params=[pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in PAGES or ["none"]],
)
def view(request, site, tab):
    """The tab, with one page of the book open in it and its mathematics typeset."""
    tab.trouble.clear()
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size(DESKTOP)
    tab.goto(site + request.param, wait_until="networkidle")
    tab.evaluate("window.MathJax?.startup.promise.then(() => null)")
    return tab


def test_loads_without_error_or_network(view):
    view.wait_for_load_state("networkidle")
    none(view.trouble)


def test_math_is_typeset(view):
    raw = view.eval_on_selector_all(
        ".math", "all => all.filter(e => !e.querySelector('mjx-container')).map(e => e.textContent)"
    )
    wrong = view.eval_on_selector_all(  # a syntax error; a macro that MathJax does not know
        "mjx-merror, mjx-mtext[style*='color: red']", "all => all.map(e => e.outerHTML)"
    )
    none(raw + wrong)


def test_no_markup_is_left_in_the_prose(view):
    prose = view.evaluate(PROSE)
    left = [
        f"{kind}: {match[0]}"
        for kind, pattern in RAW.items()
        for match in re.finditer(pattern, prose, re.MULTILINE)
    ]
    none(left)


def test_images_have_alt_text(view):
    silent = view.eval_on_selector_all(
        "main img", "all => all.filter(e => !e.alt.trim()).map(e => e.outerHTML.slice(0, 200))"
    )
    none(silent)


def test_internal_links_lead_somewhere(view, site):
    links = view.eval_on_selector_all("a[href]", "all => all.map(e => e.href)")
    broken = []
    for link in sorted({link for link in links if link.startswith(site)}):
        target = BOOK / unquote(urlsplit(link).path).lstrip("/")
        fragment = unquote(urlsplit(link).fragment)
        if not target.is_file() or (fragment and fragment not in anchors(target)):
            broken.append(link.removeprefix(site))
    none(broken)


@cache
def anchors(path):
    return set(map(html.unescape, re.findall(r'\sid="([^"]+)"', path.read_text(encoding="utf-8"))))


def test_sliders_change_their_picture(view):
    dead = []
    for slider in view.query_selector_all(".dc-slider"):
        knob, button = slider.query_selector("input[type=range]"), slider.query_selector("button")
        name = slider.inner_text().replace("\n", " ")
        before = shown(slider)
        knob.focus()
        view.keyboard.press("ArrowRight")
        if shown(slider) == before:
            dead.append(f"its slider does nothing: {name}")
        if not knob.evaluate("e => e.labels.length || e.ariaLabel"):
            dead.append(f"its slider has no label: {name}")
        before = shown(slider)
        button.click()
        view.wait_for_timeout(1000)
        if shown(slider) == before:
            dead.append(f"its play button does nothing: {name}")
        button.click()
    none(dead)


def shown(slider):
    """The pictures that a reader sees in a slider figure."""
    return slider.eval_on_selector_all(
        "img", "all => all.filter(e => e.checkVisibility()).map(e => e.src)"
    )


def test_quiz_options_open_their_answer(view):
    mute = []
    for option in view.query_selector_all(".quiz details"):
        before = option.inner_text()
        option.query_selector("summary").click()
        if option.inner_text() == before:
            mute.append(before)
    none(mute)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_readable(view, scheme):
    view.emulate_media(color_scheme=scheme)
    view.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
    view.wait_for_timeout(400)  # colours fade
    none(view.evaluate(CONTRAST))


def test_fits_a_telephone(view):
    view.set_viewport_size(TELEPHONE)
    too_wide = view.evaluate(TOO_WIDE)
    view.set_viewport_size(DESKTOP)
    none(too_wide)


def test_search_finds_a_page(site, tab):
    tab.set_viewport_size(DESKTOP)
    tab.goto(site)
    tab.wait_for_url("**/book/preface.html")  # where index.html forwards to
    tab.keyboard.press("Control+k")
    tab.keyboard.type("autoencoder")
    tab.keyboard.press("Enter")
    found = tab.wait_for_selector("#search-results li a")
    assert "autoencoder" in found.get_attribute("href")


def test_every_page_of_the_contents_is_built(site):
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"]] + [
        chapter["file"] for part in contents["parts"] for chapter in part["chapters"]
    ]
    none([file for file in files if f"{file}.html" not in PAGES])
