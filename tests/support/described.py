"""Experiments on the fake network: a description of every kind."""

HEAD = 'title = "T"\nquestion = "Q?"\nkind = "{kind}"\nsurprise = "None."\n'
DESCRIBED = {
    "fronts": """
[fronts]
within = ["8 bit", "+0.05", "+1"]
[search]
objectives = ["error", "size", "ops"]
evaluations = 24
population = 8
[vary.weights]
all = {}
wide = { weight_bits = [8, 16] }
[vary.seed]
1 = { seed = 1 }
2 = { seed = 2 }
""",
    "uniform": "[uniform]\nbits = ['16', '4x8']\ndelta = [0, 2]\n[vary.model]\nsru = { model = 'sru' }\n",
    "steps": """
[steps]
seeds = 2
first = { objectives = ["error", "size"], delta = [0], evaluations = 8 }
second = { objectives = ["error", "ops"], freeze = ["bits"] }
points = ["+0.05", "+1"]
[search]
objectives = ["error", "size", "ops"]
evaluations = 20
population = 8
""",
    "across": """
[search]
objectives = ["error", "speedup"]
searcher = "exhaustive"
weight_bits = [4, 8]
activation_bits = [4, 8]
delta = [0]
[vary.platform]
silago = { platform = "silago", freeze = ["l0.input.bits=8x8", "l1.projection.bits=8x8"] }
[vary.platform.bitfusion]
platform = "bitfusion"
freeze = ["l0.input.weight_bits=8", "l0.input.act_bits=8", "l1.projection.weight_bits=8", "l1.projection.act_bits=8"]
""",
    "prices": "[prices]\nplatforms = ['silago', 'edgedrnn', 'bitfusion:level=ideal']\nmodels = ['sru', 'gru']\n",
}


def write_described(folder, kind, text=None):
    """Write a study.toml of a kind, the kind's own or with `text` in its place; its folder."""
    found = folder / "studies" / f"my-{kind}"
    found.mkdir(parents=True)
    (found / "study.toml").write_text(HEAD.format(kind=kind) + (DESCRIBED[kind] if text is None else text))
    return found
