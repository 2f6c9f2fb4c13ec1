"""Whether the ONNX graph's integers are exact on CPUs without VNNI, emulated by QEMU's user mode (qemu-user).

Run by hand: python tests/check_onnx_cpus.py. Products of the largest codes, from which a saturated sum of two products
would show, and whole small networks run in ONNX Runtime natively and as on a Haswell (AVX2) and a Nehalem (SSE4.2),
and are compared with NumPy's sums and the compiled engine. The same products of unsigned by signed bytes, which the
graph avoids, are a control: they are to be wrong on the Haswell. Status 1 if anything else is.
"""

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "support"))
QEMU, CPUS = "qemu-x86_64", ("Haswell-noTSX", "Nehalem")
COLS, ROWS = (1, 2, 3, 17, 255, 1024, 16384), 19
CONTROL = "u8 times s8"


Case = tuple[str, Any, dict[str, np.ndarray], dict[str, np.ndarray]]  # name, model, inputs, exact outputs


def control() -> Case:
    """The product that saturates without VNNI."""
    import onnx

    kinds, describe = onnx.TensorProto, onnx.helper.make_tensor_value_info
    codes = np.full((64, ROWS), 127, np.int8)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["held", "codes"], ["sums"])],
        "control",
        [describe("held", kinds.UINT8, ["m", 64])],
        [describe("sums", kinds.INT32, ["m", ROWS])],
        [onnx.numpy_helper.from_array(codes, "codes")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    held = np.full((6, 64), 255, np.uint8)
    return CONTROL, model, {"held": held}, {"sums": held.astype(np.int32) @ codes.astype(np.int32)}


def networks() -> Iterator[Case]:
    """Small networks of every model at several configurations."""
    from conformance.exporters import mixed
    from networks import SPECS, engine_of, features_of, offsets_of, trained

    from dse.exporters.onnx import build
    from models.workload import Configuration

    for name, spec in SPECS.items():
        engine = engine_of(spec, *trained(spec))
        features = features_of(spec, [40])
        uniform = [Configuration.uniform(spec.workload(), bits, delta=1) for bits in (2, 8, 16)]
        for number, configuration in enumerate([*uniform, *(mixed(spec.workload(), seed) for seed in range(3))]):
            network = engine.quantizer.network(configuration)
            sites, counter = engine.trace(network, features, offsets_of([40]))
            outputs = {site: codes[None] for site, codes in sites.items()} | {
                "sent": np.array([[counter.sent[matvec.name] for matvec in network.matvecs]])
            }
            inputs = {"features": features[None], "lengths": np.array([40])}
            yield f"{name} {number}", build(network), inputs, outputs


def run(folder: Path) -> int:
    """Run what is in a folder with NumPy and ONNX Runtime alone; prints what is wrong, returns how many cases are."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, wrong, session, loaded = 1, 0, None, b""
    for case in sorted(folder.glob("*.npz")):
        with np.load(case) as file:
            arrays = dict(file)
        model = arrays.pop("model").tobytes()
        if model != loaded:
            session, loaded = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"]), model
        name = str(arrays.pop("name"))
        inputs = {key[3:]: value for key, value in arrays.items() if key.startswith("in ")}
        outputs = {key[4:]: value for key, value in arrays.items() if key.startswith("out ")}
        found = session.run(list(outputs), inputs)
        if not all(np.array_equal(one, other) for one, other in zip(found, outputs.values(), strict=True)):
            print(f"  {name}: wrong", flush=True)
            wrong += name != CONTROL
    print(f"  {len(list(folder.glob('*.npz')))} cases, {wrong} wrong besides the control")
    return wrong


def main() -> int:
    if sys.argv[1:]:
        return min(run(Path(sys.argv[1])), 1)
    with tempfile.TemporaryDirectory() as folder:
        from onnx_products import products

        cases = itertools.chain(products(COLS, ROWS), [control()], networks())
        for number, (name, model, inputs, outputs) in enumerate(cases):
            arrays = {f"in {key}": value for key, value in inputs.items()}
            arrays |= {f"out {key}": value for key, value in outputs.items()}
            content = np.frombuffer(model.SerializeToString(), np.uint8)
            np.savez(Path(folder) / f"{number:05}.npz", name=np.array(name), model=content, **arrays)
        status = 0
        emulated = CPUS if shutil.which(QEMU) else ()
        for cpu in ("this CPU", *emulated):
            print(cpu, flush=True)
            start = [] if cpu == "this CPU" else [QEMU, "-cpu", cpu]
            done = subprocess.run([*start, sys.executable, __file__, folder], stderr=subprocess.DEVNULL, check=False)
            status |= done.returncode
        if not emulated:
            print(f"{QEMU} is not installed: no other CPU tried")
    return status


if __name__ == "__main__":
    sys.exit(main())
