"""Common base of the engines that compute the deployed integers in plain torch operations, on a GPU.

Elementwise values are whole float32 codes, and each step is one float32 operation and its rounding in kernels of their
own, as in `models.quantization.fixed_point`. Nothing here may be fused (torch.compile, addcmul, lerp, baddbmm): a fused
multiply-add leaves out a rounding and changes bits. Powers of two are folded into constants and tables, which is exact.
Divisors are tensors on the device: CUDA kernels turn division by a number of the host into a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.engines.engine import Engine, IntegerRun
from models.engines.integer_network import IntegerMatVec, IntegerNetwork
from models.engines.network_quantizer import NetworkQuantizer
from models.engines.prefix_cache import Prefix
from models.gpu.batch import Batch
from models.gpu.grid import gate_table
from models.gpu.matvecs import Device, Products


class GpuEngine(Engine):
    """Engine on `device`, a name of torch's; subclasses implement `_layer`. Prefixes are not shared between runs."""

    def __init__(self, quantizer: NetworkQuantizer, device: str) -> None:
        super().__init__(quantizer)
        self.on_device = Device(device)

    def _run_integers(
        self, network: IntegerNetwork, features: NDArray[np.float32], offsets: NDArray[np.int64], prefix: Prefix
    ) -> IntegerRun:
        self.table = self.on_device.tensor(gate_table(network.sigmoid_knots))
        inputs, packed = network.input_codes(features), partial(self._packed, network=network)
        codes, counter = self.on_device.run(inputs, offsets, packed)
        return codes, counter, {}

    def _packed(self, x: Tensor, batch: Batch, network: IntegerNetwork) -> Tensor:
        """Logit codes float32 [n, outputs] of a batch's packed input codes."""
        for layer in network.layers:
            x = self._layer(layer, x, batch, network)
        return self.products((network.output,)).sequence(x, batch)

    def _layer(self, layer: Any, x: Tensor, batch: Batch, network: IntegerNetwork) -> Tensor:
        """Output codes float32 [n, width] of the layer for packed input codes x [n, inputs]."""
        raise NotImplementedError

    def products(self, matvecs: Sequence[IntegerMatVec]) -> Products:
        return Products(self.on_device, matvecs)
