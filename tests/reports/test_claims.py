"""The papers' claims beside what experiments found, on tables made by hand."""

import pandas as pd
import pytest

from dse.experiments.claims import CLAIMS, MODELS, Results, claims_table


@pytest.fixture
def tables(tmp_path):
    """Writes tables of experiments in which what the papers claim is so, but for what is given."""

    def write(compression=8.0, tied=True, eliminated=60.0):
        roundings = ("compensated", "nearest")
        points = {
            "mohaq-1": [
                {"rounding": r, "error_percent": e, "compression": c, "tied": t}
                for r in roundings
                for e, c, t in ((10.1, compression / 2, tied), (11.4, 6.0, False), (10.0, 1.0, True))
            ],
            "mohaq-2": [
                {"rounding": r, "error_percent": e, "silago.speedup": s, "silago.energy_pj_per_frame": j}
                for r in roundings
                for e, s, j in ((10.4, 3.9, 20.0), (13.0, 4.0, 10.0))
            ],
            "se-1": [
                {"model": m, "rounding": "compensated", "error_percent": 10.0, "compression": 3.4} for m in MODELS
            ],
            "se-4": [
                {
                    "model": m, "rounding": "compensated", "error_percent": 10.0 - (m == "lstm"),
                    "size_mib": 1.0 - 0.5 * (m == "sru"), "eliminated_percent": eliminated + (m == "ligru"),
                }
                for m in MODELS
            ],
        }  # fmt: skip
        for name, rows in points.items():
            folder = tmp_path / name
            folder.mkdir()
            pd.DataFrame(rows).to_csv(folder / "fronts.csv", index=False)
            axes = [column for column in ("model", "rounding") if column in rows[0]]
            uniform = [
                {
                    **{axis: row[axis] for axis in axes}, "of": f"uniform {bits} bit", "error_percent": 10.0,
                    "silago.speedup": 16 / bits, "silago.energy_pj_per_frame": 10.0 if bits == 4 else 100.0,
                }
                for row in rows
                for bits in (16, 4)
            ]  # fmt: skip
            pd.DataFrame(uniform).drop_duplicates().to_csv(folder / "within.csv", index=False)
        return tmp_path

    return write


def rows_of(folder):
    lines = claims_table(folder).splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_what_holds_is_said_to_hold_with_the_figures(tables):
    rows = rows_of(tables())
    assert [(row[0], row[1]) for row in rows] == [(claim.paper, claim.says) for claim in CLAIMS]
    assert {row[2] for row in rows} == {"yes"} and not any(row[5] for row in rows)
    assert [row[4] for row in rows] == [f"[{claim.experiment}](../{claim.experiment}/README.md)" for claim in CLAIMS]
    assert "8.0× at +0.10 points" in rows[0][3] and "98 % and 89 % within 0.5" in rows[1][3]
    assert "sru 0.5 MiB" in rows[7][3] and "ligru 61 %" in rows[8][3]


@pytest.mark.parametrize(
    ("changed", "failing"), [({"compression": 7.9}, 0), ({"tied": False}, 0), ({"eliminated": 49.0}, 5)]
)
def test_what_does_not_hold_is_said_not_to_with_a_reason(tables, changed, failing):
    rows = rows_of(tables(**changed))
    assert [row[2] for row in rows] == ["no" if k == failing else "yes" for k in range(len(rows))]
    assert rows[failing][5] == CLAIMS[failing].reason


def test_claims_tell_the_experiment_whose_tables_they_read(tables):
    root = tables()
    for claim in CLAIMS:
        for name in {other.experiment for other in CLAIMS} - {claim.experiment}:
            (root / name).rename(root / f"{name}-away")
        claim.sees(Results(root, claim.experiment))  # needs no other
        for folder in root.glob("*-away"):
            folder.rename(root / folder.name.removesuffix("-away"))


def test_without_an_experiment_its_command_is_told(cli, tmp_path):
    status, _, err = cli("experiment", "--claims")
    assert status == 2 and "python -m dse.experiment mohaq-1 makes it" in err
