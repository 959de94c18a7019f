"""pith report, read by a real browser: offline, without errors, on a phone, and safe with hostile text."""

import json
import shutil

import pytest

HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'><!--"


@pytest.fixture(scope="module")
def results(pith, make_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "small"
    model = make_model("for-reports", context=2048)
    result = pith("eval", "-m", model, "--suite", "kv", "--tokens", 400, "--contexts", 2, "--kv", "snapkv(window=4) @ 2x",
                  "--kv", "question_attention @ 2x", "--out", out)  # fmt: skip
    assert result.code == 0, result.err
    return out


@pytest.fixture
def report(pith, results):
    result = pith("report", results)
    assert result.code == 0, result.err
    return results / "report.html"


def test_documents_are_written_once(pith, results):
    lines = [json.loads(line) for line in (results / "documents.jsonl").read_text().splitlines()]
    assert len(lines) == len({line["document"] for line in lines}) == 2
    item = lines[0]["items"][0]
    begin, end = item["answers"][0]
    assert lines[0]["text"].encode()[begin:end].decode().isdigit()


def test_data_are_printed_as_json(pith, results):
    (data,) = pith("report", results, "--json").json
    assert [arm["recipe"] for arm in data["arms"]] == ["full", "snapkv(window=4) @ 2x", "question_attention @ 2x"]
    scores = [dict(zip(data["scores"]["columns"], row)) for row in data["scores"]["rows"]]
    assert {row["n"] for row in scores} == {20}


def test_figures_are_drawn(open_page, report):
    assert report.stat().st_size < 2_000_000
    page = open_page(report)
    assert page.locator("#bytes svg .hit").count() == 3
    assert "snapkv(window=4) @ 2x" in page.inner_text("#short") + page.inner_text("#tasks")
    assert page.locator("#failures .bar").count() == 3
    assert page.locator("#depth table").count() == 1
    assert "n = 20" in page.inner_text("#tasks")
    assert "sees the question" in page.inner_text("#tasks")
    page.select_option("#task", "kv")
    page.click("text=those that full gets")


def test_wide_tables_stay_in_the_window(open_page, report):
    page = open_page(report, viewport={"width": 1300, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1300
    assert page.locator("#tasks tr.under").count() == page.locator("#tasks tr.upper").count() > 0


def test_an_answer_is_one_click_away(open_page, report):
    page = open_page(report)
    page.select_option("select[data-filter=outcome]", "")
    page.locator("#list a").first.click()
    assert page.locator("dialog[open] .token").count() > 0
    assert page.locator("dialog .given").count() == 3
    link = page.url
    assert "#item=" in link
    page.keyboard.press("j")
    assert page.url != link
    page.keyboard.press("Escape")
    assert not page.locator("dialog[open]").count()
    again = open_page(report, hash=link[link.index("#") :])
    assert again.locator("dialog[open] .given[aria-current=true]").count() == 1


def test_dark_phone_and_print(open_page, report):
    phone = {"width": 390, "height": 844}
    page = open_page(report, viewport=phone, color_scheme="dark")
    background = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = background()
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    page.click("#theme")
    assert background() != dark
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("#tasks table").first.is_visible()


def test_hostile_text_stays_text(open_page, pith, results, tmp_path):
    shutil.copytree(results, tmp_path / "hostile")
    for name in ("predictions.jsonl", "documents.jsonl"):
        lines = [json.loads(line) for line in (tmp_path / "hostile" / name).read_text().splitlines()]
        for line in lines:
            for field in ("answer", "question", "task", "suite", "system", "failure"):
                if field in line:
                    line[field] = HOSTILE
            if "text" in line:
                line["text"] = line["text"][:-90] + HOSTILE[:90].ljust(90)
            if line.get("canonical", "full") != "full":
                line["recipe"] = HOSTILE
        (tmp_path / "hostile" / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert pith("report", tmp_path / "hostile", "-o", tmp_path / "report.html").code == 0
    page = open_page(tmp_path / "report.html")
    page.select_option("select[data-filter=outcome]", "")
    page.locator("#list a").first.click()
    assert HOSTILE in page.inner_text("dialog")
    assert page.evaluate("window.broken") is None


def test_runs_stand_side_by_side(open_page, pith, results, tmp_path):
    shutil.copytree(results, tmp_path / "other")
    assert pith("report", results, tmp_path / "other", "-o", tmp_path / "both.html").code == 0
    page = open_page(tmp_path / "both.html")
    assert page.locator("#bytes svg .hit").count() == 6
    assert "other: " in page.inner_text("#tasks")


def test_folders_without_results_are_refused(fails, tmp_path):
    fails("report", tmp_path, words=["no predictions", "pith eval"])
