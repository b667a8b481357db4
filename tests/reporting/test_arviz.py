"""ArviZ draws our posteriors unaided."""

import arviz as az
import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from tests.bayes import Fits

NAMES = ["Intercept", "Days", "sigma", "1|Subject_sigma", "Subject_corr"]


@pytest.mark.parametrize("name", ["plot_trace_dist", "plot_rank", "plot_forest", "plot_pair", "plot_ess"])
def test_parameters(name: str, sleepstudy: Fits) -> None:
    found = getattr(az, name)(sleepstudy.post.idata, var_names=NAMES, backend="matplotlib")
    assert isinstance(found.viz["figure"].item(), Figure)


def test_energy(sleepstudy: Fits) -> None:
    az.plot_energy(sleepstudy.post.idata, backend="matplotlib")


@pytest.mark.parametrize("name", ["plot_ppc_dist", "plot_ppc_pit", "plot_ppc_interval"])
def test_replications(name: str, sleepstudy: Fits) -> None:
    replicated = sleepstudy.post.posterior_predictive(draws=20, seed=1)
    getattr(az, name)(replicated, backend="matplotlib")
    assert mpl.get_backend().lower() == "agg"
