"""Genes that are restricted, frozen or added, and searches that start from a point."""

import pytest
from fake_task import FakeTask
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import search

from dse.design.genes import recorded_space, search_space
from dse.design.rules import parse_rules
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from models.networks.gru import Gru
from models.networks.lstm import Lstm
from models.workload import InputError

GATED = Lstm(layers=3, hidden=4).workload()


def choices(*genes, freeze=(), workload=GATED, **given):
    space = search_space(workload, rules=parse_rules(genes, freeze), **given)
    return {gene.name: gene.choices for gene in space.genes}


def test_a_rule_meets_the_genes_that_hold_its_words_and_the_last_one_holds():
    usual, found = choices(), choices("l2.weight_bits=4,8", "recurrent.delta=0,3,1", "l1.recurrent.delta=5")
    changed = {name for name in usual if found[name] != usual[name]}
    assert changed == {"l2.input.weight_bits", "l2.recurrent.weight_bits", *(f"l{k}.recurrent.delta" for k in range(3))}
    assert found["l2.input.weight_bits"] == (4, 8)
    assert found["l0.recurrent.delta"] == (0, 1, 3) and found["l1.recurrent.delta"] == (5,)


@pytest.mark.parametrize(
    ("genes", "freeze", "weights", "acts"),
    [
        ((), ("bits=8", "weight_bits=4"), (4,), (8,)),
        ((), ("weight_bits=4", "bits=8"), (8,), (8,)),
        (("weight_bits=4",), ("bits=8",), (8,), (8,)),  # of as many words, what freezes
        (("l2.input.weight_bits=2,8",), ("bits=8",), (2, 8), (8,)),  # of more words
        (("l2.input.weight_bits=2,8", "bits=4x8,8x8"), (), (2, 8), (8,)),
        (("bits=4x8,8x8", "act_bits=2,16"), (), (4, 8), (2, 16)),
        (("l2.bits=4x8", "l2.input.act_bits=2"), ("bits=16",), (4,), (2,)),
    ],
)
def test_the_rule_that_says_more_holds_and_of_those_the_later_one(genes, freeze, weights, acts):
    found = choices(*genes, freeze=freeze)
    assert (found["l2.input.weight_bits"], found["l2.input.act_bits"]) == (weights, acts)


def test_frozen_bits_set_both_widths_and_pairs_of_them_are_one_gene():
    found = choices(freeze=("bits=4x8", "delta=0", "skip=0"))
    assert all(len(each) == 1 for each in found.values())
    assert found["l1.input.weight_bits"] == (4,) and found["l1.input.act_bits"] == (8,)
    assert choices("output.bits=8x8,4x8,2x2")["output.bits"] == ("2x2", "4x8", "8x8")
    assert choices("bits=3,4")["l0.input.bits"] == (3, 4)


def test_genes_are_added_where_there_were_none():
    assert "l1.input.delta" not in choices(delta=(0,))
    assert choices("l1.input.delta=0,7", delta=(0,))["l1.input.delta"] == (0, 7)
    assert choices("candidate.skip=0,1,2,3")["candidate.skip"] == (0, 1, 2, 3)


def test_papers_threshold_selection_is_a_gene_a_path():
    found = choices(freeze=("bits=8x8", "l0.recurrent.delta=0"), delta=(0, 16), delta_genes="paths", skip=("none",))
    free = {name: each for name, each in found.items() if len(each) > 1}
    assert free == {"input.delta": (0, 16), "recurrent.delta": (0, 16), "output.delta": (0, 16)}
    space = search_space(GATED, delta_genes="paths", rules=parse_rules((), ("l0.recurrent.delta=0",)))
    matvecs = {gene.name: gene.matvecs for gene in space.genes}
    assert {name.partition(".")[0] for name in matvecs["recurrent.delta"]} == {"l1", "l2"}
    assert {name.partition(".")[0] for name in matvecs["input.delta"]} == {"l1", "l2"}


RULES = st.lists(
    st.sampled_from(["weight_bits=4", "l1.act_bits=2,8", "bits=4x8,8x8", "l0.bits=8", "delta=0,3", "l1.delta=7",
                     "input.delta=0", "skip=1", "output.weight_bits=3,16"]), max_size=4)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rules=RULES, paths=st.booleans(), model=st.sampled_from([Lstm, Gru]))
def test_spaces_with_rules_are_told_by_their_genes(rules, paths, model):
    workload = model(layers=2, hidden=4).workload()
    space = search_space(workload, rules=parse_rules(rules, ()), delta_genes="paths" if paths else "layers")
    assert recorded_space(workload, {gene.name: gene.choices for gene in space.genes}) == space


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"genes": ("l2.weight_bits",)}, "gene 'l2.weight_bits' is not NAME=CHOICES"),
        ({"genes": ("l2.weigth_bits=4",)}, "ends in none of weight_bits, act_bits, bits, delta, skip; weight_bits?"),
        ({"genes": ("l7.weight_bits=4",)}, "gene 'l7.weight_bits' meets none of the model's, as"),
        ({"genes": ("weight_bits=9",)}, "gene 'weight_bits=9': 9 bit is none of 2, 3"),
        ({"genes": ("weight_bits=4x4",)}, "'4x4' is no choice of weight_bits"),
        ({"genes": ("delta=-1",)}, "'-1' is no choice of delta"),
        ({"genes": ("bits=٤",)}, "is no choice of bits"),
        ({"freeze": ("skip=half",)}, "freeze 'skip=half': 'half' is no choice of skip, as in 1"),
        ({"start": ("there", 1)}, "start is ('there', 1), not a text"),
        ({"study": 3}, "study is 3, not a text"),
        ({"freeze": ("bits=4,8",)}, "freeze 'bits=4,8' has 2 choices; --gene bits=4,8 restricts to several"),
        ({"freeze": ("bits",)}, "freeze 'bits' names no choice, as in bits=8; or give --from a point"),
        ({"delta_genes": "each"}, "delta genes 'each' is none of layers, paths"),
        ({"start": "there"}, "start 'there' is not STUDY:NUMBER"),
        ({"start": "there:1"}, "no storage at"),
        ({"platforms": ("silago",), "genes": ("bits=2x2",)}, "can run with none of them"),
    ],
)
def test_bad_rules_are_one_line(tmp_path, given, message):
    with pytest.raises(InputError, match=r".") as error:
        make_plan(SearchSettings(FakeTask(), storage=f"sqlite:///{tmp_path}/dse.db", **given))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_search_starts_from_a_point_and_leaves_what_is_frozen(tmp_path):
    first = search(tmp_path, evaluations=30, study="first", objectives=("error", "size"))
    number = len(first.front) // 2 + 1
    point = first.front[number - 1].configuration
    given = {"start": f"first:{number}", "freeze": ("bits",), "delta": (0, 4, 8), "objectives": ("error", "ops")}
    found = search(tmp_path, evaluations=12, study="second", **given)
    by_effect = {tuple(setting.effect for _, setting in e.configuration) for e in found.evaluations}
    assert tuple(setting.effect for _, setting in point) in by_effect
    for evaluation in found.evaluations:
        assert all(s.operand_bits == point[n].operand_bits for n, s in evaluation.configuration)
    assert len(by_effect) == 9  # two thresholds of three choices
    assert found.identity["start"] == list(found.evaluations[0].genome)


def test_what_the_point_has_is_among_the_choices_of_free_genes(tmp_path):
    first = search(tmp_path, evaluations=20, study="first", weight_bits=(3, 5), objectives=("error", "size"))
    plan = make_plan(first_settings(tmp_path, start="first:1", freeze=("act_bits",)))
    values = plan.space.values(plan.start[0])
    assert {values[name] for name in values if name.endswith("weight_bits")} <= {3, 5}
    assert all(len(g.choices) == 1 for g in plan.space.genes if g.name.endswith("act_bits"))
    assert [s.effect for _, s in plan.space.decode(plan.start[0])] == [
        s.effect for _, s in first.front[0].configuration
    ]


def test_thresholds_of_the_search_are_kept_beside_the_points(tmp_path):
    first = search(tmp_path, evaluations=40, study="first", delta=(0, 5))
    number = next(k for k, e in enumerate(first.front, start=1) if any(s.delta for _, s in e.configuration))
    plan = make_plan(first_settings(tmp_path, start=f"first:{number}", freeze=("bits",), delta=(0, 3, 9)))
    for gene in plan.space.genes:
        if gene.name.endswith(".delta"):
            assert gene.choices in ((0, 3, 9), (0, 3, 5, 9))
    free = ("l1.input.act_bits=4,8,16",)
    plan = make_plan(first_settings(tmp_path, start=f"first:{number}", freeze=("bits",), genes=free, delta=(0, 3)))
    (gene,) = [gene for gene in plan.space.genes if gene.name == "l1.input.act_bits"]
    assert {4, 8, 16} <= set(gene.choices)


def test_tied_thresholds_begin_at_the_least_where_those_of_the_point_differ(tmp_path):
    first = search(tmp_path, evaluations=60, study="first", delta=(0, 4, 8, 16))
    for number, point in enumerate(first.front, start=1):
        given = {"freeze": ("bits",), "delta": (0, 8), "delta_genes": "paths"}
        plan = make_plan(first_settings(tmp_path, start=f"first:{number}", **given))
        start = plan.space.decode(plan.start[0])
        for name, setting in start:
            assert setting.operand_bits == point.configuration[name].operand_bits


def first_settings(folder, **given):
    return SearchSettings(FakeTask(), storage=f"sqlite:///{folder}/dse.db", **given)
