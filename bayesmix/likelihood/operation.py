"""The likelihood as a PyTensor operation: one node gives the log density and its exact gradient."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.type import TensorType

from bayesmix.likelihood.evaluation import DENSITIES, log_density
from bayesmix.likelihood.sources import SOURCE_HASH


class MarginalLikelihood(Op):  # type: ignore[misc]
    """log p(y | Lambda, sigma[, beta]) with the group effects (and, unless given, beta) integrated out.

    Inputs are those of :func:`bayesmix.likelihood.kernels.log_density`: the cross-products as one vector, the prior of
    beta as one vector, the free entries of the covariance factors, sigma, and beta (empty where it is integrated).
    Outputs are the log density and its gradient in the last three inputs; the gradient of the first output is made of
    the others, so that value and gradient cost one evaluation.

    Parameters
    ----------
    kind : {"nested", "crossed", "given"}
        Whether levels cross, and then whether their effects are integrated out too or given, behind beta.
    """

    __props__ = ("kind",)

    def __init__(self, kind: str = "nested") -> None:
        self.kind = kind

    def make_node(self, vector: Any, prior: Any, lam: Any, sigma: Any, beta: Any) -> Apply:
        """Symbolic inputs and outputs."""
        inputs = [pt.as_tensor(x, dtype="float64") for x in (vector, prior, lam, sigma, beta)]
        vectors = TensorType("float64", shape=(None,))
        scalar = TensorType("float64", shape=())
        return Apply(self, inputs, [scalar(), vectors(), scalar(), vectors()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate outside compiled graphs."""
        vector, prior, lam, sigma, beta = inputs
        for slot, value in zip(outputs, log_density(vector, prior, lam, float(sigma), beta, self.kind), strict=True):
            slot[0] = np.asarray(value)

    def pullback(self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]) -> list[Variable]:
        """Exact gradient of the log density; there is none of the gradient itself."""
        if any(not isinstance(g.type, DisconnectedType) for g in cotangents[1:]):
            raise NotImplementedError(
                "second derivatives come from bayesmix.likelihood.derivatives, not from the graph"
            )
        _, d_lam, d_sigma, d_beta = outputs
        g = cotangents[0]
        return [DisconnectedType()(), DisconnectedType()(), g * d_lam, g * d_sigma, g * d_beta]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """The data are not differentiated."""
        return [[False] * 4, [False] * 4, [True] * 4, [True] * 4, [True] * 4]

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[Any]:
        """Gradients have the shape of what they are taken in."""
        return [(), shapes[2], (), shapes[4]]


@register_funcify_default_op_cache_key(MarginalLikelihood)  # type: ignore[untyped-decorator]
def _funcify(op: MarginalLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    """Compiled graphs call the kernel by a symbol named after its sources; the same hash keys PyTensor's cache."""
    name = f"bayesmix_{op.kind}_density_{SOURCE_HASH}"
    llvm.add_symbol(name, DENSITIES[op.kind]().address)
    at, size = types.uintp, types.intp
    density = types.ExternalFunction(name, types.void(at, size, at, size, at, size, types.float64, at, size, at))

    @numba_njit
    def marginal_likelihood(vector, prior, lam, sigma, beta):  # type: ignore[no-untyped-def]
        vector, prior = np.ascontiguousarray(vector), np.ascontiguousarray(prior)
        lam, beta = np.ascontiguousarray(lam), np.ascontiguousarray(beta)
        k = lam.size
        out = np.empty(2 + k + beta.size)
        density(
            vector.ctypes.data, vector.size, prior.ctypes.data, prior.size, lam.ctypes.data, k, sigma.item(),
            beta.ctypes.data, beta.size, out.ctypes.data,
        )  # fmt: skip
        return np.asarray(out[0]), out[2 : 2 + k], np.asarray(out[1]), out[2 + k :]

    return marginal_likelihood, SOURCE_HASH + list(DENSITIES).index(op.kind)
