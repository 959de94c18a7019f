"""pith probe with a tiny random model: the figures of what a recipe takes away, and the page that shows them."""

import json
import re
import subprocess

import pytest
from conftest import PITH, limit_files

RECIPES = ("--kv", "random", "--grid", "0,0.5,0.9")


def probe(pith, tiny, document, *more):
    result = pith("probe", "-m", tiny, "-f", document, "--max-tokens", 4, "--replay", 16, *more)
    assert result.code == 0, result.err
    return result


def by_kind(result, kind):
    return [one for one in result.json if one["kind"] == kind]


def test_one_object_for_the_document_one_per_cache_one_per_recipe(pith, tiny, document):
    result = probe(pith, tiny, document, *RECIPES, "--kv", "knorm @ 2x", "--json")
    assert [one["kind"] for one in result.json] == ["document"] + 5 * ["arm"] + 2 * ["series"]
    (shown,) = by_kind(result, "document")
    assert shown["numerics"] == "exact"
    assert shown["n_context_tokens"] > shown["prefix_tokens"] > 0
    assert [(arm["series"], arm["grid_ratio"]) for arm in by_kind(result, "arm")] == [
        (None, 0), ("random", 0), ("random", 0.5), ("random", 0.9), ("knorm @ 2x", None)
    ]  # fmt: skip


def test_more_compression_takes_more_away(pith, tiny, document):
    result = probe(pith, tiny, document, *RECIPES, "-q", "Who signs?", "--answer", "Berit", "--json")
    full, none, half, most = by_kind(result, "arm")
    for arm in (full, none):
        assert arm["eviction_rate"]["all_lanes"] == arm["ger"]["all_lanes"] == arm["removed"] == 0
    assert half["removed"] == pytest.approx(0.5, abs=0.02)
    assert most["removed"] == pytest.approx(0.9, abs=0.02)
    rates = [arm["eviction_rate"] for arm in (none, half, most)]
    assert rates[0]["all_lanes"] < rates[1]["all_lanes"] < rates[2]["all_lanes"]
    for rate in rates:
        assert rate["all_lanes"] <= rate["layer_mean"] <= rate["layer_max"] == max(rate["layers"])
    assert none["replay"]["kl"] < half["replay"]["kl"]
    assert full["replay"]["kl"] == 0
    assert full["answers"]["top1_agreement"] == 1


def test_answers_are_judged_and_explained(pith, tiny, document):
    question = ("-q", "What is the code?", "--answer", "HERON-4471")
    result = probe(pith, tiny, document, "--kv", "recency @ 8tok", *question, "--json")
    (shown,) = by_kind(result, "document")
    assert len(shown["questions"][0]["places"]) == 1
    full, newest = by_kind(result, "arm")
    (answer,) = newest["questions"]
    assert answer["ger"]["all_lanes"] == 1 and answer["all_answer_tokens_gone"] and not answer["reachable"]
    assert answer["disjoint_routes"] == answer["direct_routes"] == 0
    assert full["questions"][0]["reachable"]
    # A random model knows no codes, with or without compression.
    assert (full["hallucinated"], newest["questions"][0]["outcome"]) == (1, "wrong_uncompressed")


def test_an_answer_that_is_not_there_is_named(pith, tiny, document):
    result = probe(pith, tiny, document, *RECIPES, "-q", "Who?", "--answer", "Nobody", "--json")
    assert 'the document does not state "Nobody"' in result.err
    assert all(arm["ger"] is None for arm in by_kind(result, "arm"))


def test_the_table_names_the_papers_ratio(pith, tiny, document):
    out = probe(pith, tiny, document, *RECIPES, "-q", "Who signs?", "--answer", "Berit", "--layers").out
    for words in ("consensus (paper's ratio)", "agreement ρ", "GER: ", "Who signs?", "routes ≥", "gone % 0.5", "GER/layer %"):
        assert words in out


def test_without_graph_there_are_no_routes(pith, tiny, document):
    result = probe(pith, tiny, document, *RECIPES, "-q", "Who signs?", "--answer", "Berit", "--no-graph", "--json")
    assert by_kind(result, "document")[0]["epsilon"] is None
    assert "reachable" not in by_kind(result, "arm")[1]["questions"][0]


def test_epsilon_is_one_half_over_the_context(pith, tiny, document):
    result = probe(pith, tiny, document, *RECIPES, "-q", "Who signs?", "--answer", "Berit", "--json")
    (shown,) = by_kind(result, "document")
    assert shown["epsilon"] == pytest.approx(0.5 / shown["n_context_tokens"])


def test_the_same_probe_gives_the_same_figures(pith, tiny, document):
    options = (*RECIPES, "-q", "Who signs?", "--answer", "Berit", "--threads", 2, "--json")
    assert probe(pith, tiny, document, *options).out == probe(pith, tiny, document, *options).out


def test_the_page_needs_nothing_else(pith, tiny, tmp_path):
    document, page = tmp_path / "d.txt", tmp_path / "probe.html"
    document.write_text("A </script><b>tag</b> & the code HERON-4471.")
    probe(pith, tiny, document, *RECIPES, "-q", "Which code?", "--answer", "HERON-4471", "--html", page)
    html = page.read_text()
    assert not re.search(r"https?://|<link|<img|src=|@import|url\(", html)
    assert html.count("</script>") == 1
    data = json.loads(re.search(r"const data = (.*?);\n", html).group(1))
    assert "".join(data["text"]) == document.read_text()
    assert len(data["arms"]) == 4
    lanes = data["layers"] * data["kv_heads"]
    for arm in data["arms"]:
        assert len(arm["kept"]) == lanes
        bits = "".join(f"{int(row, 16):0{4 * len(row)}b}"[: len(data["text"])] for row in arm["kept"])
        assert bits.count("1") / len(bits) == pytest.approx(1 - arm["removed"], abs=0.12)


def test_the_full_cache_alone_is_one_row(pith, tiny, document):
    result = probe(pith, tiny, document, "--kv", "full", "--json")
    assert [arm["recipe"] for arm in by_kind(result, "arm")] == ["full"]
    table = probe(pith, tiny, document, "--kv", "full").out
    assert len([line for line in table.splitlines() if line.split()[:1] == ["full"] and len(line.split()) > 1]) == 2  # of two tables


@pytest.mark.parametrize("recipes", [["--kv", "full"], ["--kv", "full", *RECIPES], [*RECIPES, "--kv", "full"]])
def test_the_page_shows_the_full_cache_too(pith, tiny, document, tmp_path, open_page, recipes):
    path = tmp_path / "probe.html"
    probe(pith, tiny, document, *recipes, "-q", "Who signs?", "--answer", "Berit", "--html", path)
    page = open_page(path)
    page.locator("#recipes button", has_text="full").click()
    assert "0.0 %" in page.inner_text("#figures")
    assert page.locator("#text .gone").count() == 0
    assert page.locator("#questions tr").count() == 2  # a head, and one row
    assert page.locator("#ratios button[aria-pressed=true]").count() == 1


def test_a_suite_gives_one_row_per_recipe_and_ratio(pith, make_model):
    model = make_model("wide", context=2048)
    result = pith("probe", "-m", model, "--suite", "physics_base", "--tokens", 600, "--contexts", 2, "--max-tokens", 3, "--replay", 16, "--threads", 1,
                  "--kv", "random", "--grid", "0.5,0.9", "--json")  # fmt: skip
    assert result.code == 0, result.err
    cells = by_kind(result, "cell")
    assert [(cell["recipe"], cell["grid_ratio"]) for cell in cells] == [("full", 0), ("random", 0.5), ("random", 0.9)]
    assert cells[1]["ger"] < cells[2]["ger"]
    assert cells[0]["documents"] == 2
    assert 0 <= cells[0]["probe_macro_f1"] <= 1
    (series,) = by_kind(result, "series")
    assert series["series"] == "random"
    (control,) = by_kind(result, "control")
    assert control["tag"] == "answer_type"


def test_questions_that_cannot_be_answered_are_judged_too(pith, make_model):
    model = make_model("wider", context=4096)
    result = pith("probe", "-m", model, "--suite", "physics_coreference", "--tokens", 1600, "--contexts", 1, "--max-tokens", 2, "--replay", 0, "--no-graph",
                  "--threads", 1, "--kv", "random", "--grid", "0.5", "--json")  # fmt: skip
    assert result.code == 0, result.err
    assert [cell["questions"] for cell in by_kind(result, "cell")] == [9, 9]  # five of them: "I don't know"


def test_a_suite_goes_on_from_its_folder(pith, make_model, tmp_path):
    model = make_model("wide", context=2048)
    command = ["probe", "-m", model, "--suite", "physics_base", "--tokens", 300, "--contexts", 2, "--max-tokens", 3, "--replay", 0, "--no-graph",
               "--threads", 1, "--questions", "agnostic,aware", "--kv", "random", "--grid", "0.5,0.7,0.9", "--json", "--out", tmp_path]  # fmt: skip
    whole = pith(*command)
    assert whole.code == 0, whole.err
    lines = (tmp_path / "facts.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "facts.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:50])  # killed while it wrote
    assert pith(*command).out == whole.out
    assert sorted((tmp_path / "facts.jsonl").read_bytes().splitlines(keepends=True)) == sorted(lines)
    assert {cell["questions_seen"] for cell in by_kind(whole, "cell")} == {"agnostic", "aware"}
    agnostic, aware = by_kind(whole, "series")
    assert agnostic["documents"] == aware["documents"] == 2
    assert {"pearson_low", "pearson_high", "wrong_half"} <= set(agnostic)
    tags = by_kind(whole, "cell")[1]["tags"]
    assert sum(share["questions"] for tag, share in tags.items() if tag.startswith("answer_type=")) == by_kind(whole, "cell")[1]["questions"]


def test_an_at_sign_in_quotes_is_no_budget(fails, tiny, document):
    recipe = 'virtual(encoder="a@b") then random'
    fails("probe", "-m", tiny, "-f", document, "--kv", recipe, "--grid", "0.5", words=["cannot open a@b"])


def test_what_cannot_be_probed_is_refused_before_anything_is_read(fails, tmp_path):
    probe = ["probe", "-f", "no_such_document.txt", "-m", "no_such_model"]
    fails(*probe, "--kv", "summary_route", words=["summary_route", "-q"])
    fails(*probe, "--kv", "knorm + turn_quota @ 0.5", words=["turn_quota", "has none", "--suite transcript"])
    fails(*probe, "--kv", "snapkv @ auto", words=["snapkv @ auto", "--grid"])
    fails(*probe, "--kv", "knorm", "--html", tmp_path / "none" / "page.html", words=["page.html", "No such file"])
    fails(*probe, "--kv", "knorm", "--html", tmp_path, words=[str(tmp_path), "folder"])


def test_a_page_that_cannot_be_written_costs_no_table(tiny, document, tmp_path):
    command = [PITH, "probe", "-m", tiny, "-f", document, "--kv", "random", "--grid", "0.5", "--html", tmp_path / "page.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=limit_files(1000))
    assert done.returncode == 1
    assert "page.html" in done.stderr.splitlines()[-1]
    assert "removed %" in done.stdout and "docs/diagnostics.md" in done.stdout
    assert not (tmp_path / "page.html").exists()


def test_unknown_recipes_are_refused_before_anything_is_read(fails, tiny, document):
    fails("probe", "-m", tiny, "-f", document, "--kv", "knrom", words=["knrom", "knorm"])
    fails("probe", "-m", tiny, "-f", document, "--kv", "question_attention @ 0.5", words=["-q"])
