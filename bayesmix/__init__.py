"""Bayesian multilevel models, beside the exact REML fit that checks them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bayesmix.datasets import list_datasets, load_dataset
    from bayesmix.errors import BayesmixError, BayesmixWarning
    from bayesmix.inference.optimizer import Optimizer
    from bayesmix.model import Model, from_bambi
    from bayesmix.reporting.calibration_plots import plot_sbc
    from bayesmix.reporting.caterpillars import caterpillar_data, plot_caterpillar
    from bayesmix.reporting.conditional_effects import (
        effects_data,
        johnson_neyman,
        johnson_neyman_data,
        plot_effects,
        plot_johnson_neyman,
    )
    from bayesmix.reporting.curves import (
        correlation_data,
        icc_data,
        plot_correlation,
        plot_icc,
        plot_type1,
        plot_variance,
        type1_data,
        variance_data,
    )
    from bayesmix.reporting.group_checks import plot_ppc_groups, ppc_groups_data
    from bayesmix.reporting.influence_plots import influence_data, plot_influence
    from bayesmix.reporting.model_graphs import graph_data, plot_graph
    from bayesmix.reporting.pages import report
    from bayesmix.reporting.partition import plot_variance_partition, variance_partition_data
    from bayesmix.reporting.pooling_arrows import plot_shrinkage, shrinkage_data
    from bayesmix.reporting.profile_curves import plot_profile, profile_data
    from bayesmix.reporting.residual_plots import plot_residuals, residuals_data
    from bayesmix.reporting.side_by_side import (
        agreement_data,
        plot_agreement,
        plot_prior_posterior,
        prior_posterior_data,
    )
    from bayesmix.reporting.trajectories import group_fits_data, plot_group_fits, plot_trajectories, trajectories_data
    from bayesmix.results.bayes_factor import BayesFactor, bayes_factor, model_probabilities
    from bayesmix.results.bayes_fit import BayesFit
    from bayesmix.results.comparison import Comparison, compare
    from bayesmix.results.dialects.explain import explain_difference
    from bayesmix.results.homogeneity import homogeneity_test
    from bayesmix.results.interpret import comparisons, predictions, slopes
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.likelihood_ratio import LikelihoodRatioTest, lrt
    from bayesmix.results.loaded_fit import load
    from bayesmix.results.loo_comparison import loo_compare
    from bayesmix.results.paper_table import table
    from bayesmix.results.published import Published
    from bayesmix.results.textbook import read_textbook, shipped_textbooks
    from bayesmix.results.wald_test import WaldTest, wald
    from bayesmix.specification.levels import levels
    from bayesmix.teaching.calibration import sbc
    from bayesmix.teaching.calibration_verdict import Calibration
    from bayesmix.teaching.clustering import design_effect, effective_size
    from bayesmix.teaching.conclusions import compare_conclusions
    from bayesmix.teaching.hospitals import simulate_hospitals
    from bayesmix.teaching.interval_coverage import coverage
    from bayesmix.teaching.nested_frames import nested_frame
    from bayesmix.teaching.pooling_ladder import pooling
    from bayesmix.teaching.reshaping import to_long, to_wide
    from bayesmix.teaching.responses import simulate
    from bayesmix.teaching.sample_size import power
    from bayesmix.teaching.type_one import type1_curve, type1_error

# Bound on first use, so that importing costs little and has no effect.
_HOMES = {
    "BayesFactor": "bayesmix.results.bayes_factor",
    "BayesFit": "bayesmix.results.bayes_fit",
    "BayesmixError": "bayesmix.errors",
    "BayesmixWarning": "bayesmix.errors",
    "Calibration": "bayesmix.teaching.calibration_verdict",
    "Comparison": "bayesmix.results.comparison",
    "LikelihoodFit": "bayesmix.results.likelihood_fit",
    "LikelihoodRatioTest": "bayesmix.results.likelihood_ratio",
    "Model": "bayesmix.model",
    "Optimizer": "bayesmix.inference.optimizer",
    "WaldTest": "bayesmix.results.wald_test",
    "Published": "bayesmix.results.published",
    "bayes_factor": "bayesmix.results.bayes_factor",
    "comparisons": "bayesmix.results.interpret",
    "compare": "bayesmix.results.comparison",
    "explain_difference": "bayesmix.results.dialects.explain",
    "from_bambi": "bayesmix.model",
    "homogeneity_test": "bayesmix.results.homogeneity",
    "levels": "bayesmix.specification.levels",
    "list_datasets": "bayesmix.datasets",
    "load": "bayesmix.results.loaded_fit",
    "loo_compare": "bayesmix.results.loo_comparison",
    "load_dataset": "bayesmix.datasets",
    "pooling": "bayesmix.teaching.pooling_ladder",
    "predictions": "bayesmix.results.interpret",
    "read_textbook": "bayesmix.results.textbook",
    "report": "bayesmix.reporting.pages",
    "shipped_textbooks": "bayesmix.results.textbook",
    "table": "bayesmix.results.paper_table",
    "slopes": "bayesmix.results.interpret",
    "model_probabilities": "bayesmix.results.bayes_factor",
    "lrt": "bayesmix.results.likelihood_ratio",
    "type1_curve": "bayesmix.teaching.type_one",
    "type1_error": "bayesmix.teaching.type_one",
    "design_effect": "bayesmix.teaching.clustering",
    "effective_size": "bayesmix.teaching.clustering",
    "simulate": "bayesmix.teaching.responses",
    "nested_frame": "bayesmix.teaching.nested_frames",
    "power": "bayesmix.teaching.sample_size",
    "to_long": "bayesmix.teaching.reshaping",
    "to_wide": "bayesmix.teaching.reshaping",
    "simulate_hospitals": "bayesmix.teaching.hospitals",
    "compare_conclusions": "bayesmix.teaching.conclusions",
    "wald": "bayesmix.results.wald_test",
    "coverage": "bayesmix.teaching.interval_coverage",
    "sbc": "bayesmix.teaching.calibration",
    "plot_sbc": "bayesmix.reporting.calibration_plots",
    "plot_shrinkage": "bayesmix.reporting.pooling_arrows",
    "shrinkage_data": "bayesmix.reporting.pooling_arrows",
    "caterpillar_data": "bayesmix.reporting.caterpillars",
    "plot_caterpillar": "bayesmix.reporting.caterpillars",
    "group_fits_data": "bayesmix.reporting.trajectories",
    "plot_group_fits": "bayesmix.reporting.trajectories",
    "plot_trajectories": "bayesmix.reporting.trajectories",
    "trajectories_data": "bayesmix.reporting.trajectories",
    "plot_variance_partition": "bayesmix.reporting.partition",
    "variance_partition_data": "bayesmix.reporting.partition",
    "agreement_data": "bayesmix.reporting.side_by_side",
    "prior_posterior_data": "bayesmix.reporting.side_by_side",
    "plot_agreement": "bayesmix.reporting.side_by_side",
    "plot_prior_posterior": "bayesmix.reporting.side_by_side",
    "correlation_data": "bayesmix.reporting.curves",
    "icc_data": "bayesmix.reporting.curves",
    "plot_correlation": "bayesmix.reporting.curves",
    "plot_icc": "bayesmix.reporting.curves",
    "plot_type1": "bayesmix.reporting.curves",
    "plot_variance": "bayesmix.reporting.curves",
    "type1_data": "bayesmix.reporting.curves",
    "variance_data": "bayesmix.reporting.curves",
    "effects_data": "bayesmix.reporting.conditional_effects",
    "johnson_neyman": "bayesmix.reporting.conditional_effects",
    "johnson_neyman_data": "bayesmix.reporting.conditional_effects",
    "plot_effects": "bayesmix.reporting.conditional_effects",
    "plot_johnson_neyman": "bayesmix.reporting.conditional_effects",
    "graph_data": "bayesmix.reporting.model_graphs",
    "influence_data": "bayesmix.reporting.influence_plots",
    "plot_graph": "bayesmix.reporting.model_graphs",
    "plot_influence": "bayesmix.reporting.influence_plots",
    "plot_profile": "bayesmix.reporting.profile_curves",
    "profile_data": "bayesmix.reporting.profile_curves",
    "plot_residuals": "bayesmix.reporting.residual_plots",
    "residuals_data": "bayesmix.reporting.residual_plots",
    "plot_ppc_groups": "bayesmix.reporting.group_checks",
    "ppc_groups_data": "bayesmix.reporting.group_checks",
}

__all__ = [
    "BayesFactor",
    "BayesFit",
    "BayesmixError",
    "BayesmixWarning",
    "Calibration",
    "Comparison",
    "LikelihoodFit",
    "LikelihoodRatioTest",
    "Model",
    "Optimizer",
    "Published",
    "WaldTest",
    "agreement_data",
    "bayes_factor",
    "caterpillar_data",
    "compare",
    "compare_conclusions",
    "comparisons",
    "correlation_data",
    "coverage",
    "design_effect",
    "effective_size",
    "effects_data",
    "explain_difference",
    "from_bambi",
    "graph_data",
    "group_fits_data",
    "homogeneity_test",
    "icc_data",
    "influence_data",
    "johnson_neyman",
    "johnson_neyman_data",
    "levels",
    "list_datasets",
    "load",
    "load_dataset",
    "loo_compare",
    "lrt",
    "model_probabilities",
    "nested_frame",
    "plot_agreement",
    "plot_caterpillar",
    "plot_correlation",
    "plot_effects",
    "plot_graph",
    "plot_group_fits",
    "plot_icc",
    "plot_influence",
    "plot_johnson_neyman",
    "plot_ppc_groups",
    "plot_prior_posterior",
    "plot_profile",
    "plot_residuals",
    "plot_sbc",
    "plot_shrinkage",
    "plot_trajectories",
    "plot_type1",
    "plot_variance",
    "plot_variance_partition",
    "pooling",
    "power",
    "ppc_groups_data",
    "predictions",
    "prior_posterior_data",
    "profile_data",
    "read_textbook",
    "report",
    "residuals_data",
    "sbc",
    "shipped_textbooks",
    "shrinkage_data",
    "simulate",
    "simulate_hospitals",
    "slopes",
    "table",
    "to_long",
    "to_wide",
    "trajectories_data",
    "type1_curve",
    "type1_data",
    "type1_error",
    "variance_data",
    "variance_partition_data",
    "wald",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayesmix' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
