"""Candidates per minute against plain PyTorch and ONNX Runtime, one thread each.

Run by hand: python tests/bench_evaluate.py [models...] [--preset edge|paper] [--utterances N]
`edge` runs the shipped checkpoints on the embedded validation split and decodes; `paper` runs random weights on random
features of 3 s utterances. Every contender runs in a process of its own, so that peak memory is its own (it includes
opening the case). Seconds are processor seconds, best of 3 runs after a warm one: a busy machine changes them little.
"Ours is" compares inference alone, since no other contender decodes.
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

import torch
from bench_case import DELTA, Case, alone, at_least_one, model_name, peak_mib, timed
from bench_evaluate_libraries import ONNX, TorchFloat, UnavailableError
from bench_evaluate_rivals import PlainFakeQuantized
from numba import njit

from models.engines.compiled import Packer
from models.engines.recurrent import ROWS_AT_ONCE
from models.kernels.amx_tile import tiles_allowed
from models.kernels.matvecs import FRAMES_AT_ONCE, make_scratch, multiply_rows
from models.registry import MODELS
from models.workload import Configuration

# Compiled loops, with the products inside them
PARTS = {
    "sequences' matvecs": ("engines.compiled.run_sequences",),
    "recurrence": (
        "engines.sru.scan_fixed",
        *(f"engines.recurrent_cells.{cell}_layer" for cell in ("lstm", "gru", "ligru")),
    ),
}


# glibc gives large freed blocks back, and a network written step by step then waits for new pages in every run.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
RIVALS = (
    ("plain PyTorch, fake-quantized", PlainFakeQuantized, {}),
    ("  glibc keeping its memory", PlainFakeQuantized, KEEP_MEMORY),
    ("torch.nn float", TorchFloat, {}),
    ("  glibc keeping its memory", TorchFloat, KEEP_MEMORY),
    *((name, rival, {}) for name, rival in ONNX),
)


def profile(case: Case, configuration: Configuration, repeat: int = 3) -> dict[str, float]:
    """Seconds of one evaluation's inference by part, of the fastest run; watching costs some itself."""
    spent = dict.fromkeys(PARTS, 0.0)

    def watch(function: object, part: str) -> object:
        def watched(*arguments: object) -> object:
            start = time.process_time()
            result = function(*arguments)
            spent[part] += time.process_time() - start
            return result

        return watched

    for part, paths in PARTS.items():
        for module, name in (path.rsplit(".", 1) for path in paths):
            loaded = import_module(f"models.{module}")
            if hasattr(loaded, name):
                setattr(loaded, name, watch(getattr(loaded, name), part))
    fastest: dict[str, float] = {}
    for _ in range(repeat):
        spent.update(dict.fromkeys(PARTS, 0.0))
        total = timed(case.infer, configuration)[0]
        if not fastest or total < sum(fastest.values()):
            fastest = spent | {"rest": total - sum(spent.values())}
    return fastest


def multiplications(case: Case) -> float:
    """Seconds of an evaluation's integer products alone, as many rows at once as the engine takes."""
    packer, seconds = Packer(), 0.0
    for matvec in case.workload:
        matvecs = packer.open((case.engine.quantizer.matvec(matvec.name, case.configuration),)).matvecs
        rows = ROWS_AT_ONCE if matvec.path in ("recurrent", "candidate") else FRAMES_AT_ONCE
        scratch = make_scratch(matvecs, rows)
        multiply_again(matvecs, scratch, rows, 1)
        seconds += timed(multiply_again, matvecs, scratch, rows, len(case.features) * matvec.passes // rows)[0]
    return seconds


@njit(nogil=True)
def multiply_again(matvecs, scratch, rows, turns):  # type: ignore[no-untyped-def]
    for _ in range(turns):
        multiply_rows(matvecs, scratch, rows, scratch.results)


def measure_engine(model: str, size: str, utterances: int) -> dict:
    start = time.perf_counter()
    case = Case(model, size, utterances)
    opened, memory = time.perf_counter() - start, peak_mib()
    _, cold, _ = timed(case.evaluate, case.configuration)
    result = {"opened": opened, "opened_memory": memory, "cold": cold, "frames": len(case.features), "macs": case.macs}
    result["baseline"] = min(timed(case.evaluate, Configuration.uniform(case.workload, 16))[0] for _ in range(2))
    result["seconds"] = min(timed(case.evaluate, case.configuration)[0] for _ in range(3))
    result["memory"] = peak_mib()
    result["inference"] = min(timed(case.infer, case.configuration)[0] for _ in range(3))
    result["multiplications"] = multiplications(case)
    result["parts"] = profile(case, case.configuration)
    return result


def measure_pair(model: str, size: str, utterances: int) -> float:
    """Seconds per evaluation of this process beside another one like it."""
    case = Case(model, size, utterances)
    case.evaluate(case.configuration)
    return timed(lambda: [case.evaluate(case.configuration) for _ in range(3)])[1] / 3


def measure_rival(rival: type, model: str, size: str, utterances: int) -> dict | str:
    case = Case(model, size, utterances)
    try:
        contender = rival(case)
        contender.run()
        seconds, _, logits = min((timed(contender.run) for _ in range(3)), key=lambda run: run[0])
    except UnavailableError as reason:
        return str(reason)
    result = {"seconds": seconds, "memory": peak_mib()}
    if rival is PlainFakeQuantized:
        ours = case.engine.run(case.features, case.offsets, case.configuration)[0]
        result["agree"] = float((ours.argmax(axis=1) == logits.argmax(axis=1)).mean())
    return result


def peaks() -> dict[str, float]:
    """MACs a second of a large int8 product, one thread: in vector registers, in AMX's tiles where ours uses them."""
    found = {"vectors": alone(large_product, environment={"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"})}
    return found | ({"tiles": alone(large_product)} if tiles_allowed() else {})


def large_product() -> float:
    torch.set_num_threads(1)
    a, b = (torch.randint(-128, 127, (2048, 2048), dtype=torch.int8) for _ in range(2))
    torch._int_mm(a, b)
    return 2048**3 / min(timed(torch._int_mm, a, b)[0] for _ in range(7))


def report(model: str, size: str, utterances: int, peaks: dict[str, float]) -> None:
    ours = alone(measure_engine, model, size, utterances)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        pair = [pool.submit(measure_pair, model, size, utterances) for _ in range(2)]
        pair_per_minute = sum(60 / future.result() for future in pair)
    inference = ours["inference"]
    print(f"\n{model} {size}: {ours['frames']} frames, {ours['macs'] / 1e9:.1f} GMAC an evaluation, W8A8 delta {DELTA}")
    print(f"  opened in {ours['opened']:.1f} s, {ours['opened_memory']:.0f} MiB; first evaluation {ours['cold']:.2f} s")
    print(f"  two processes at once: {pair_per_minute:.0f} evaluations/min together")
    for kind, peak in peaks.items():
        share = ours["macs"] / inference / peak
        print(f"  against a large int8 product in {kind} ({peak / 1e9:.0f} GMAC/s): {100 * share:.1f} % of inference")
    decoding = ours["seconds"] - inference
    parts = {**ours["parts"], "decoding": decoding}
    print("  profile: " + ", ".join(f"{part} {1000 * s:.0f} ms" for part, s in parts.items()))
    print(f"  of these, products alone, run again: {1000 * ours['multiplications']:.0f} ms")
    print(f"  {'one thread':36} {'s/eval':>8} {'eval/min':>9} {'MiB':>7} {'ours is':>9}")

    def row(name: str, seconds: float, memory: float | None, against: float | None) -> None:
        ratio = f"{seconds / against:8.2f}x" if against else ""
        print(f"  {name:36} {seconds:8.3f} {60 / seconds:9.0f} {f'{memory:.0f}' if memory else '':>7} {ratio}")

    row("ours", ours["seconds"], ours["memory"], None)
    row("ours, 16-bit baseline", ours["baseline"], None, None)
    row("ours, without decoding", inference, None, None)
    for name, rival, environment in RIVALS:
        result = alone(measure_rival, rival, model, size, utterances, environment=environment)
        if isinstance(result, str):
            print(f"  {name:36} {result}")
            continue
        agreement = f"; same best target in {100 * result['agree']:.1f} % of frames" if "agree" in result else ""
        row(name, result["seconds"], result["memory"], inference)
        if agreement:
            print(" " * 40 + agreement[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), type=model_name, help=f"of {', '.join(MODELS)}")
    parser.add_argument("--preset", default="edge", choices=("edge", "paper"))
    parser.add_argument("--utterances", type=at_least_one, help="default 400 (edge), 100 (paper)")
    arguments = parser.parse_args()
    found, utterances = peaks(), arguments.utterances or {"edge": 400, "paper": 100}[arguments.preset]
    for model in arguments.models:
        report(model, arguments.preset, utterances, found)


if __name__ == "__main__":
    main()
