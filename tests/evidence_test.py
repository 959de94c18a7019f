"""The questions of bench/evidence/manual are about pages that go on changing: their answers must still stand there."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "bench" / "evidence" / "manual"
PAGES = ["architecture", "conversations", "evaluation", "formats", "guard", "numerics"]


def lines(name):
    return [line for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("question, answers", list(zip(lines("questions.txt"), lines("answers.txt"), strict=True)))
def test_the_manual_answers_its_questions(question, answers):
    manual = "".join((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES).lower()
    assert question.endswith("?")
    assert any(answer.lower() in manual for answer in answers.split(" | "))
