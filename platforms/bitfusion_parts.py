"""What Bit Fusion's sources give for its parts: synthesised arrays of fusion units, and memory banks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SYNTHESIS = "systolic_array_synth.csv of the simulator, 45 nm, 500 MHz"
SYNTHESIS_HZ = 500e6  # Source: SYNTHESIS
CACTI = "CACTI 7 at 45 nm, by the size of a bank"

# (port bytes, extra ports) -> bank bytes -> (read nJ per access, write nJ per access, area mm2).
# Source: CACTI 7, 45 nm; the simulator's cacti_sweep.csv holds eight of them.
SRAM_BANKS = {
    (4, 0): {
        128: (0.000683701, 0.000925317, 0.00149898),
        1024: (0.00113324, 0.00329596, 0.00882362),
        2048: (0.00190318, 0.00363853, 0.015132),
        4096: (0.00342953, 0.00431011, 0.0300607),
        8192: (0.00639163, 0.00556268, 0.0575061),
        16384: (0.00998170, 0.00842090, 0.108577),
        32768: (0.0146178, 0.0103698, 0.233389),
        65536: (0.0191872, 0.0149393, 0.479602),
    },
    (4, 1): {
        512: (0.00106097, 0.00233869, 0.00760331),
        1024: (0.00128374, 0.00388394, 0.015209),
        2048: (0.00218408, 0.00427357, 0.025817),
        4096: (0.00398324, 0.00505131, 0.048574),
    },
    (16, 0): {
        512: (0.00371309, 0.00467956, 0.010649),
        4096: (0.00526041, 0.0139113, 0.03436),
        131072: (0.0610868, 0.0548436, 0.927139),
    },
}

# (high bits, low bits) of the fusion units -> (inputs, outputs) of the array -> (area um2, dynamic power nW).
# Source: SYNTHESIS.
SYNTHESIZED: dict[tuple[int, int], dict[tuple[int, int], tuple[float, float]]] = {
    (2, 2): {
        (1, 1): (124.891, 28742),
        (1, 2): (251.37, 58957.9),
        (1, 4): (494.096, 117802.7),
        (1, 8): (979.902, 236376.6),
        (1, 16): (1951.69, 471606),
        (2, 1): (179.222, 42985.9),
        (2, 2): (368.676, 89770.6),
        (2, 4): (730.296, 181273.5),
        (2, 8): (1454.594, 364159),
        (4, 1): (309.406, 77105),
        (4, 2): (647.917, 160896.6),
        (4, 4): (1297.069, 325616),
        (8, 1): (604.17, 155239.7),
        (8, 2): (1281.017, 323093),
        (16, 1): (1263.024, 331489),
    },
    (4, 2): {
        (1, 1): (431.474, 78470.1),
        (1, 2): (885.881, 157938),
        (1, 4): (1771.762, 315693),
        (1, 8): (3545.287, 626130),
        (1, 16): (7100.629, 1256092),
        (2, 1): (720.947, 128385),
        (2, 2): (1513.336, 260820),
        (2, 4): (3037.784, 518541),
        (2, 8): (6107.85, 1028652),
        (4, 1): (1323.529, 234420),
        (4, 2): (2801.585, 473619),
        (4, 4): (5670.202, 942252),
        (8, 1): (2558.682, 458650),
        (8, 2): (5459.051, 925339),
        (16, 1): (5106.604, 927786),
    },
    (4, 4): {
        (1, 1): (282.24, 60101.7),
        (1, 2): (568.184, 122507.7),
        (1, 4): (1126.314, 243755),
        (1, 8): (2243.632, 486357),
        (1, 16): (4496.436, 972553),
        (2, 1): (424.066, 92391.7),
        (2, 2): (872.474, 188144),
        (2, 4): (1741.421, 375675),
        (2, 8): (3491.662, 749205),
        (4, 1): (728.532, 161600),
        (4, 2): (1524.978, 329165),
        (4, 4): (3066.008, 659402),
        (8, 1): (1373.803, 311492),
        (8, 2): (2913.422, 635382),
        (16, 1): (2735.258, 634997),
    },
    (8, 2): {
        (1, 1): (1733.13, 279960),
        (1, 2): (3607.204, 542883),
        (1, 4): (7277.029, 1046700),
        (1, 8): (15291.587, 2057400),
        (1, 16): (29352.607, 4049800),
        (2, 1): (3177.14, 503845),
        (2, 2): (6810.098, 977400),
        (2, 4): (14216.782, 1888200),
        (2, 8): (28575.918, 3757400),
        (4, 1): (6181.409, 969800),
        (4, 2): (13451.911, 1869700),
        (4, 4): (27752.836, 3673500),
        (8, 1): (11970.68, 1888400),
        (8, 2): (26572.014, 3711700),
        (16, 1): (23785.423, 3758300),
    },
    (8, 8): {
        (1, 1): (687.607, 148845),
        (1, 2): (1384.916, 291312),
        (1, 4): (2862.443, 567794),
        (1, 8): (5627.16, 1120489),
        (1, 16): (12522.107, 2222600),
        (2, 1): (1089.976, 241967),
        (2, 2): (2236.752, 468882),
        (2, 4): (4491.497, 911498),
        (2, 8): (9944.374, 1835800),
        (4, 1): (2007.961, 436426),
        (4, 2): (3999.694, 832550),
        (4, 4): (8171.73, 1627500),
        (8, 1): (3625.902, 823779),
        (8, 2): (7686.277, 1588700),
        (16, 1): (7095.337, 1627200),
    },
    (16, 2): {
        (1, 1): (7492.414, 1166200),
        (1, 2): (17259.505, 2274600),
        (1, 4): (38602.671, 4591600),
        (1, 8): (78115.919, 8678500),
        (1, 16): (151716.88, 15181300),
        (2, 1): (13872.978, 2135000),
        (2, 2): (35428, 4539400),
        (2, 4): (76454.76, 9145100),
        (2, 8): (155376.298, 17178100),
        (4, 1): (26996.079, 4120100),
        (4, 2): (70183.563, 9021300),
        (4, 4): (141302.223, 16907600),
        (8, 1): (53160.256, 8232400),
        (8, 2): (135464.088, 17463900),
        (16, 1): (105667.304, 16383000),
    },
    (16, 16): {
        (1, 1): (2203.236, 473688),
        (1, 2): (4638.791, 820600),
        (1, 4): (9629.5, 1601400),
        (1, 8): (19717.992, 3160100),
        (1, 16): (39643.431, 5723300),
        (2, 1): (3425.512, 761600),
        (2, 2): (7238.398, 1346500),
        (2, 4): (14954.663, 2595900),
        (2, 8): (30134.766, 4955200),
        (4, 1): (5981.548, 1372700),
        (4, 2): (12653.172, 2522200),
        (4, 4): (26870.483, 4821500),
        (8, 1): (11376.036, 2712700),
        (8, 2): (24351.844, 4896200),
        (16, 1): (21804.451, 5266700),
    },
}


@dataclass(frozen=True)
class Core:
    """Array of fusion units without its buffers; `scaled` unless it was synthesised at its own size."""

    area_mm2: float
    pj_per_cycle: float
    source: str
    scaled: bool


def synthesized_core(high_bits: int, low_bits: int, inputs: int, outputs: int) -> Core | None:
    """Core of `inputs` x `outputs` fusion units: its own row, else the 4x4 row scaled, as in the simulator.

    None for fusion units that were not synthesised.
    """
    rows = SYNTHESIZED.get((high_bits, low_bits))
    if rows is None:
        return None
    scaled = (inputs, outputs) not in rows
    area_um2, dynamic_nw = rows[(4, 4) if scaled else (inputs, outputs)]
    times = inputs * outputs / 16 if scaled else 1.0
    source = f"{SYNTHESIS}: {'row 4x4, scaled to the size' if scaled else f'row {inputs}x{outputs}'}"
    return Core(area_um2 * 1e-6 * times, dynamic_nw * 1e3 / SYNTHESIS_HZ * times, source, scaled)


@dataclass(frozen=True)
class Sram:
    """Costs of a buffer; energies are by bit."""

    read_pj: float
    write_pj: float
    area_mm2: float


def banked_sram(buffer_bytes: int, banks: int, port_bits: int, extra_ports: int) -> Sram | None:
    """Buffer of equal banks, between two of SRAM_BANKS by log-log interpolation; None outside them."""
    known = SRAM_BANKS.get((port_bits // 8, extra_ports), {})
    size = buffer_bytes / banks
    if not known or not min(known) <= size <= max(known):
        return None
    values = zip(*known.values(), strict=True)
    read, write, area = (float(np.exp(np.interp(np.log(size), np.log(list(known)), np.log(v)))) for v in values)
    return Sram(1e3 * read / port_bits, 1e3 * write / port_bits, area * banks)


def bank_range(port_bits: int, extra_ports: int) -> str:
    """Sizes of bank that `banked_sram` knows, in words."""
    known = SRAM_BANKS.get((port_bits // 8, extra_ports))
    return f"{min(known)} to {max(known)} bytes a bank" if known else "no bank with such a port"
