import pytest

COMMANDS = [
    "run", "chat", "generate", "tokenize", "inspect", "recipes", "bench", "pull", "eval", "compare", "report", "probe",
    "calibrate",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(pith, command):
    result = pith(command, "--help")
    assert result.code == 0
    assert result.err == ""
    assert f"pith {command}" in result.out
    assert "Examples:" in result.out
    assert "--json" in result.out


def test_help_lists_every_command(pith):
    result = pith("--help")
    assert result.code == 0
    for command in COMMANDS:
        assert f"  {command} " in result.out


def test_version_says_what_computes(pith):
    result = pith("--version")
    assert result.code == 0
    assert result.out.startswith("pith ")
    assert "instruction set: " in result.out
    assert "numerics: " in result.out


def test_lower_instruction_set_can_be_asked_for(pith):
    assert "instruction set: scalar" in pith("--version", env={"PITH_ISA": "scalar"}).out


def test_unknown_instruction_set_is_refused(fails):
    fails("--version", env={"PITH_ISA": "abacus"}, words=["abacus", "scalar"])


def test_an_unknown_command_is_named(fails):
    fails("bogus", code=2, words=['there is no command "bogus"', "pith --help"])
    fails("genrate", "-p", "x", code=2, words=["genrate", "did you mean generate?"])


def test_a_mistyped_option_names_the_nearest(fails):
    fails("run", "-f", "a.txt", "--questoin", "hi", code=2, words=["no option --questoin", "--questions", "pith run --help"])
    fails("recipes", "snapkv", "knorm", code=2, words=['"knorm" was not expected'])


def test_counts_are_whole_numbers(fails):
    fails("generate", "-p", "a", "--max-tokens", "4.5", code=2, words=["--max-tokens", '"4.5"', "a whole number from 1 to 1048576"])


def test_numbers_have_one_name_in_the_help(pith):
    for command in COMMANDS:
        assert not {"INT", "UINT", "FLOAT"} & set(pith(command, "--help").out.replace("=", " ").split())
    assert "With --what encoder:" in pith("calibrate", "--help").out


def test_grid_takes_fractions(fails):
    fails("probe", "-f", "a", "--kv", "knorm", "--grid", "4x", code=2, words=['"4x" is no fraction', "0.5,0.75"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["run"],
        ["run", "--frobnicate"],
        ["run", "-f", "a.txt"],
        ["run", "-f", "a.txt", "--load", "b.pith", "-q", "?"],
        ["run", "-f", "a.txt", "-q", "?", "--threads", "many"],
        ["run", "-f", "a.txt", "-q", "?", "--max-tokens", "0"],
        ["run", "-f", "a.txt", "--kv", "full", "--kv", "knorm @ 0.5", "--save", "b.pith"],
        ["run", "--load", "b.pith", "--kv", "full", "-q", "?"],
        ["run", "--load", "b.pith", "--when", "chunk:64", "-q", "?"],
        ["run", "-f", "a.txt", "--kv", "full", "--save", "-"],
        ["generate"],
        ["tokenize"],
        ["inspect"],
        ["pull"],
        ["bench", "--repeat", "0"],
        ["bench", "--kv", "knorm @ 4x"],
        ["bench", "--prompt", "0", "--generate", "0"],
        ["chat", "--cold-folder", "cold"],
        ["chat", "--top-k", "4"],
        ["eval", "--suite", "needles", "--out", "runs", "--shard", "4/4"],
        ["generate", "-p", "a", "--temperature", "nan"],
        ["generate", "-p", "a", "--top-p", "0.9"],
        ["generate", "-p", "a", "--seed", "-1"],
        ["generate", "-p", "a", "--when", "every:16"],
        ["probe"],
        ["probe", "-f", "a.txt"],
        ["probe", "-f", "a.txt", "--suite", "needles", "--kv", "knorm"],
        ["probe", "-f", "a.txt", "--kv", "knorm", "-q", "?", "--answer", "a", "--answer", "b"],
        ["probe", "-f", "a.txt", "--kv", "knorm", "--grid", "0.5,0.5"],
        ["probe", "-f", "a.txt", "--kv", "knorm", "--grid", "0,1"],
        ["probe", "--suite", "needles", "--kv", "knorm", "-q", "?"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_points_to_help(fails, arguments):
    result = fails(*arguments, code=2, words=["--help"])
    assert result.out == ""
