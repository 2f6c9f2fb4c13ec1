import json

import pytest
from fake_task import WORKLOAD
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.genes import recorded_space, search_space
from dse.design.space import delta_steps
from models.networks.lstm import Lstm
from models.registry import preset
from models.workload import Configuration, InputError, MatVec, Workload

SPACE = search_space(WORKLOAD)
GATES = ("i", "f", "o")
GATED = Workload(
    "gated",
    (
        *(MatVec(f"l0.input_{g}", 8, 4, "input") for g in (*GATES, "g")),
        *(MatVec(f"l0.recurrent_{g}", 8, 8, "recurrent", 2) for g in GATES),
        MatVec("l0.candidate", 8, 8, "candidate", 2),
        MatVec("output", 4, 16, "output"),
    ),
    vector_weights=8,
    elementwise_ops_per_frame=8,
)


def genomes(space=SPACE):
    return st.tuples(*(st.integers(0, len(gene.choices) - 1) for gene in space.genes))


def effect(configuration):
    return [(setting.operand_bits, setting.delta) for _, setting in configuration]


def test_sru_has_the_16_genes_of_the_papers():
    space = search_space(preset("sru", "paper").workload(), delta=(0,))
    assert len(space.genes) == 16
    assert space.size == 4**16


def test_delta_genes_leave_the_first_input_out():
    names = [gene.name for gene in search_space(preset("sru", "paper").workload()).genes]
    deltas = [name for name in names if name.endswith(".delta")]
    assert deltas == ["l1.input.delta", "l2.input.delta", "l3.input.delta", "output.delta"]
    (gene,) = (gene for gene in SPACE.genes if gene.name == "l1.input.delta")
    assert gene.matvecs == ("l1.projection", "l1.input")
    assert gene.fields(1, 0) == gene.fields(1, 1) == {"delta": gene.choices[1]}


def test_gates_of_a_layer_share_their_genes():
    matvecs = {gene.name: list(gene.matvecs) for gene in search_space(GATED).genes}
    recurrent = ["l0.recurrent_i", "l0.recurrent_f", "l0.recurrent_o", "l0.candidate"]
    assert matvecs["l0.recurrent.weight_bits"] == recurrent
    assert matvecs["l0.recurrent.act_bits"] == recurrent
    assert matvecs["l0.recurrent.delta"] == recurrent
    assert matvecs["l0.input.weight_bits"] == ["l0.input_i", "l0.input_f", "l0.input_o", "l0.input_g"]
    assert matvecs["candidate.skip"] == ["l0.candidate"]
    assert len(matvecs) == 2 * 3 + 2 + 1


@pytest.mark.parametrize(
    ("act_bits", "steps"), [(8, [0, 8, 16, 32]), (4, [0, 0, 1, 2]), (2, [0, 0, 0, 0]), (16, [0, 2048, 4096, 8192])]
)
def test_thresholds_keep_their_meaning_across_widths(act_bits, steps):
    assert [delta_steps(choice, act_bits) for choice in (0, 8, 16, 32)] == steps


def test_float_activations_have_no_threshold():
    assert delta_steps(32, 32) == 0


def test_a_tied_gene_sets_both_widths():
    space = search_space(WORKLOAD, (4, 8, 16), (2, 8, 16), delta=(0,), tied=True)
    assert [gene.choices for gene in space.genes] == [(8, 16)] * 4
    assert space.decode((0, 0, 0, 0)) == Configuration.uniform(WORKLOAD, 8)
    with pytest.raises(ValueError, match="in common"):
        search_space(WORKLOAD, (2,), (4,), tied=True)


@settings(deadline=None)
@given(genomes())
def test_encode_gives_the_same_configuration_back(genome):
    configuration = SPACE.decode(genome)
    assert SPACE.decode(SPACE.encode(configuration)) == configuration


@settings(deadline=None)
@given(genomes())
def test_canonical_keeps_the_effect_and_is_a_fixed_point(genome):
    canonical = SPACE.canonical(genome)
    assert effect(SPACE.decode(canonical)) == effect(SPACE.decode(genome))
    assert canonical <= genome
    assert SPACE.canonical(canonical) == canonical


@settings(deadline=None)
@given(genomes(), genomes())
def test_equal_effects_have_one_canonical_genome(first, second):
    mixed = tuple(a if gene.name.endswith("bits") else b for gene, a, b in zip(SPACE.genes, first, second, strict=True))
    same = effect(SPACE.decode(first)) == effect(SPACE.decode(mixed))
    assert same == (SPACE.canonical(first) == SPACE.canonical(mixed))


def test_canonical_is_the_smallest_by_brute_force():
    workload = Workload("tiny", WORKLOAD.matvecs[:1] + WORKLOAD.matvecs[-1:], 4, 4)
    space = search_space(workload, (8,), (2, 4, 8), (0, 8, 16, 32))
    everything = sorted(_all_genomes(space))
    assert len(everything) == space.size
    for genome in everything:
        same = [g for g in everything if effect(space.decode(g)) == effect(space.decode(genome))]
        assert space.canonical(genome) == same[0]


def _all_genomes(space):
    found = [()]
    for gene in space.genes:
        found = [(*genome, index) for genome in found for index in range(len(gene.choices))]
    return found


def test_uniform_genomes():
    found = SPACE.uniform()
    assert [SPACE.decode(genome) for genome in found] == [Configuration.uniform(WORKLOAD, b) for b in (16, 8, 4)]
    assert search_space(WORKLOAD, (2, 3), (2, 3)).uniform() == []


def test_encode_refuses_what_the_space_cannot_say():
    with pytest.raises(ValueError, match=r"l0\.input\.weight_bits"):
        SPACE.encode(Configuration.uniform(WORKLOAD, 5))
    with pytest.raises(ValueError, match="no gene sets"):
        SPACE.encode(Configuration.uniform(WORKLOAD, 8).with_setting("l0.input", delta=8))


@pytest.mark.parametrize("genome", [(0,), (9,) * len(SPACE.genes), (-1,) * len(SPACE.genes)])
def test_decode_refuses_foreign_genomes(genome):
    with pytest.raises(ValueError, match="gene"):
        SPACE.decode(genome)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_bits": (2, 9)}, "weight bits 9 is none of 2, 3, 4, 5, 6, 7, 8, 16"),
        ({"act_bits": (1,)}, "activation bits 1 is none of"),
        ({"weight_bits": ()}, "weight bits: no choice given"),
        ({"delta": (-8,)}, "delta -8 is negative"),
    ],
)
def test_bad_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_space(WORKLOAD, **arguments)


def test_skip_genes_keep_leading_candidate_paths_at_16_bit():
    workload = Lstm(layers=5, hidden=4).workload()
    space = search_space(workload, delta=(0, 16), skip=("first",))
    names = [gene.name for gene in space.genes]
    assert space.genes[names.index("candidate.skip")].choices == (0, 3, 5)
    genome = tuple(1 if name == "candidate.skip" else 0 for name in names)
    configuration = space.decode(genome)
    assert [configuration[f"l{k}.candidate"].skip for k in range(5)] == [True, True, True, False, False]
    assert space.encode(configuration) == genome
    per_layer = search_space(workload, skip=("layers",))
    assert [gene.name for gene in per_layer.genes if gene.choices == (0, 1)] == [
        f"l{k}.candidate.skip" for k in range(5)
    ]


def test_directions_with_matrices_of_their_own_have_no_genes_of_their_own():
    kinds = {"skip": ("layers",)}, {"skip": ("first",)}, {"delta_genes": "paths"}
    for options in kinds:
        shared, separate = (
            search_space(Lstm(layers=3, hidden=4, directions=directions).workload(), **options)
            for directions in ("shared", "separate")
        )
        assert [(gene.name, gene.choices) for gene in separate.genes] == [(g.name, g.choices) for g in shared.genes]
        for genome in ((1,) * len(separate.genes), tuple(len(gene.choices) - 1 for gene in separate.genes)):
            ours, theirs = separate.decode(genome), shared.decode(genome)
            assert all(ours[name] == setting for name, setting in theirs)
            assert all(ours[f"{name}_backward"] == setting for name, setting in theirs if name != "output")
            assert separate.decode(separate.encode(ours)) == ours
        workload = Lstm(layers=3, hidden=4, directions="separate").workload()
        genes = {gene.name: gene.choices for gene in separate.genes}
        assert recorded_space(workload, json.loads(json.dumps(genes))) == separate


def test_matvecs_skipped_by_name_stay_skipped_and_have_no_gene():
    workload = Lstm(layers=2, hidden=4).workload()
    space = search_space(workload, skip=("layers", "l0.candidate", "output"))
    assert [gene.name for gene in space.genes if gene.name.endswith("skip")] == ["l1.candidate.skip"]
    for genome in space.uniform():
        configuration = space.decode(genome)
        assert [name for name, setting in configuration if setting.skip] == ["l0.candidate", "output"]
    with pytest.raises(ValueError, match=r"skip 'l9.candidate' is none of none, first, layers, l0.input_f"):
        search_space(workload, skip=("l9.candidate",))
    with pytest.raises(ValueError, match="skip takes one of"):
        search_space(workload, skip=("layers", "first"))


def test_a_skipped_path_gets_its_threshold_in_16_bit_steps():
    space = search_space(Lstm(layers=1, hidden=4).workload(), (4,), (4,), (0, 16), ("first",))
    configuration = space.decode(tuple(len(gene.choices) - 1 for gene in space.genes))
    assert configuration["l0.recurrent_f"].delta == 1
    assert configuration["l0.candidate"].skip and configuration["l0.candidate"].delta == 16 * 256


@pytest.mark.parametrize("model", ["sru", "lstm", "gru", "ligru"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delta": (0,)},
        {"weight_bits": (3, 8), "act_bits": (8, 16), "skip": ("layers",)},
        {"tied": True, "skip": ("none",)},
        {"pairs": {(4, 8), (8, 8), (8, 16)}},
    ],
)
def test_a_recorded_space_is_the_one_that_was_searched(model, options):
    workload = preset(model, "edge").workload()
    space = search_space(workload, **options)
    recorded = json.loads(json.dumps({gene.name: gene.choices for gene in space.genes}))
    assert recorded_space(workload, recorded) == space


@pytest.mark.parametrize(
    "genes", [{"l9.input.delta": [0]}, {"l0.input.bits": []}, {"l0.input.act_bits": ["x"]}, {"": [1]}]
)
def test_what_is_no_record_of_genes_is_refused(genes):
    with pytest.raises(InputError, match="its genes cannot be read"):
        recorded_space(WORKLOAD, genes)
