"""AIMET encodings: values computed from them are those of the integers."""

import json

import numpy as np
import pytest
from conformance.exporters import SCHEMES, UNIFORM, mixed
from networks import SPECS, engine_of, trained

from dse.exporters import encodings
from models.workload import Configuration

KEYS = {"name", "enc_type", "dtype", "bw", "is_sym", "scale", "offset"}


def network_of(name, scheme, configuration):
    spec = SPECS[name]
    engine = engine_of(spec, *trained(spec), SCHEMES[scheme])
    return engine.quantizer.network(configuration(spec.workload()))


def written(network, folder):
    encodings.write(network, None, folder)
    content = json.loads((folder / encodings.FILE).read_text())
    parts = [{each["name"]: each for each in content[f"{kind}_encodings"]} for kind in ("param", "activation")]
    for each in (*parts[0].values(), *parts[1].values()):
        assert each.keys() == KEYS
        assert each["dtype"] == "INT"
        assert 2 <= each["bw"] <= 32
        assert each["enc_type"] == ("PER_CHANNEL" if len(each["scale"]) > 1 else "PER_TENSOR")
        assert min(each["scale"]) > 0
        assert len(each["scale"]) == len(each["offset"])
        assert each["is_sym"] == (set(each["offset"]) == {-(2 ** (each["bw"] - 1))})
    return content, *parts


def quantized(values, encoding):
    """Values on an encoding's grid, a row each as the format has it, in float64."""
    scale, offset = (np.array(encoding[key])[:, None] for key in ("scale", "offset"))
    q = np.clip(np.rint(values / scale) - offset, 0, 2 ** encoding["bw"] - 1)
    return (q + offset) * scale


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_are_those_of_the_integers(name, scheme, tmp_path):
    for number in range(2):
        network = network_of(name, scheme, lambda workload, seed=number: mixed(workload, seed))
        content, params, activations = written(network, tmp_path)
        assert content["version"] == "1.0.0"
        assert params.keys() == {f"{matvec.name}.weights" for matvec in network.matvecs}
        for matvec in network.matvecs:
            encoding = params[f"{matvec.name}.weights"]
            assert encoding["bw"] == matvec.matrix.bits
            values = matvec.matrix.codes * matvec.matrix.scale.astype(np.float64)[:, None]
            np.testing.assert_allclose(quantized(values, encoding), values, rtol=1e-12)
            encoding = activations[f"{matvec.name}.vector"]
            low, high = matvec.value_range
            steps = float(matvec.divisor) * 2.0**-matvec.input_bits
            v = np.arange(low, high + 1)
            assert encoding["bw"] == matvec.act_bits
            np.testing.assert_allclose(quantized(v * steps, encoding)[0], v * steps)
            assert quantized(np.array([(low - 9) * steps, (high + 9) * steps]), encoding)[0].tolist() == [
                low * steps,
                high * steps,
            ]
        sites = ["features", *(f"l{layer}.state" for layer in range(len(network.layers))), "logits"]
        bits = [network.input_bits, *(layer.state_bits for layer in network.layers), network.logit_bits]
        assert [activations[site]["scale"] for site in sites] == [[2.0**-each] for each in bits]


@pytest.mark.parametrize("bits", UNIFORM)
def test_what_is_not_expressed_is_named(bits):
    network = network_of("lstm", "row", lambda workload: Configuration.uniform(workload, *bits))
    text = "\n".join(encodings.not_expressed(network))
    assert ("delta gates, by their thresholds" in text) == bool(bits[2])
    assert ("quarters" in text) == any(matvec.shift for matvec in network.matvecs)
    assert ("16-bit weight codes" in text) == (bits[0] == 16)
    assert "65 knots" in text
