"""What each program reports and by which rule: the one table that printouts and their comparison are made from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

import pandas as pd

from bayesmix.errors import ArgumentError


@dataclass(frozen=True)
class Convention:
    """The rules of one program.

    Parameters
    ----------
    program : str
        As the user names it.
    title : str
        As it names itself.
    default : {"REML", "ML"}
        How it fits unless told otherwise.
    df : str
        Method of ``fixed_effects(df=...)`` that counts as it does by default.
    errors : {"observed", "expected-ml", "none"}
        Information behind the standard errors of variance components; none where it prints none.
    tests : {"none", "one-sided", "two-sided", "homogeneity"}
        P-values it prints for variances.
    intervals : {"none", "log"}
        Confidence intervals it prints for variances.
    counts : str or None
        Row of ``information_criteria()`` that counts as it does; None where it prints none.
    residual_first, highest_first : bool
        Order of the variance components.
    method, freedom, component_errors, component_tests, component_intervals, criterion, information, scale, order,
    reference : str
        The same and more, in words.
    """

    program: str
    title: str
    default: str
    df: str
    errors: str
    tests: str
    intervals: str
    counts: str | None
    residual_first: bool
    highest_first: bool
    method: str
    freedom: str
    component_errors: str
    component_tests: str
    component_intervals: str
    criterion: str
    information: str
    scale: str
    order: str
    reference: str


_LME4 = Convention(
    program="lme4",
    title="lme4 and lmerTest (R)",
    default="REML",
    df="satterthwaite",
    errors="none",
    tests="none",
    intervals="none",
    counts="lme4",
    residual_first=False,
    highest_first=False,
    method="REML unless REML=FALSE",
    freedom="lmerTest: Satterthwaite, by the observed information; lme4 alone prints t without degrees of freedom",
    component_errors="prints none",
    component_tests="prints none; ranova() tests by likelihood ratio",
    component_intervals="prints none; confint() profiles",
    criterion="REML criterion, -2 log restricted likelihood; under ML deviance, -2 log likelihood",
    information="k = fixed effects and variance parameters, n = rows, REML or not; printed for ML only",
    scale="variances and standard deviations; correlations instead of covariances",
    order="groupings with most groups first, residual last; effects as they are written",
    reference="first label (contr.treatment)",
)

_SAS = Convention(
    program="sas",
    title="SAS PROC MIXED",
    default="REML",
    df="containment",
    errors="observed",
    tests="one-sided",
    intervals="none",
    counts="sas",
    residual_first=False,
    highest_first=True,
    method="REML unless METHOD=ML",
    freedom="containment, by the names of effects, where there is a RANDOM statement (DDFM= chooses others)",
    component_errors="with COVTEST: inverse of the observed information (second derivatives) of the criterion",
    component_tests="with COVTEST: Wald Z, one-sided for variances, two-sided for covariances",
    component_intervals="prints none; CL: Satterthwaite's chi-square for variances with a boundary at 0",
    criterion="-2 Res Log Likelihood; under ML -2 Log Likelihood; the constants are kept",
    information="under REML k = covariance parameters only, n of AICC less the fixed effects, n of BIC = subjects",
    scale="variances and covariances, UN(1,1), UN(2,1), UN(2,2)",
    order="as the RANDOM statements, here highest level first; lower triangles row by row; residual last",
    reference="last label of a CLASS variable",
)

_SPSS = Convention(
    program="spss",
    title="SPSS MIXED",
    default="REML",
    df="satterthwaite",
    errors="observed",
    tests="two-sided",
    intervals="log",
    counts="spss",
    residual_first=True,
    highest_first=True,
    method="REML unless METHOD=ML",
    freedom="Satterthwaite",
    component_errors="inverse of the observed information of the criterion",
    component_tests="Wald Z, two-sided for variances too",
    component_intervals="95 % by the logarithm for variances, on the scale itself for covariances",
    criterion="-2 Restricted Log Likelihood; under ML -2 Log Likelihood; the constants are kept",
    information="under REML k = covariance parameters only, n of AICC, BIC and CAIC = rows less fixed effects",
    scale="variances and covariances, UN (1,1), UN (2,1), UN (2,2)",
    order="residual first; then as the RANDOM subcommands, here highest level first",
    reference="last label of a factor",
)

_HLM = Convention(
    program="hlm",
    title="HLM",
    default="REML",
    df="hlm",
    errors="none",
    tests="homogeneity",
    intervals="none",
    counts=None,
    residual_first=False,
    highest_first=False,
    method="REML for two levels, full ML for three and more",
    freedom="units of the level whose equation holds the coefficient, less its coefficients",
    component_errors="prints none (on request, those of full ML)",
    component_tests="chi-square of homogeneity on the groups' own least-squares coefficients",
    component_intervals="prints none",
    criterion="deviance, -2 log (restricted) likelihood",
    information="prints none; number of estimated parameters: under REML covariance parameters only",
    scale="standard deviations and variances; Tau and Tau as correlations",
    order="level by level, residual after the effects of level 2",
    reference="no factors: indicators are made by the user",
)

_MLWIN = Convention(
    program="mlwin",
    title="MLwiN",
    default="ML",
    df="z",
    errors="expected-ml",
    tests="none",
    intervals="none",
    counts=None,
    residual_first=False,
    highest_first=True,
    method="ML, called IGLS; REML is RIGLS",
    freedom="none: estimates are read against their standard errors, as z",
    component_errors="expected information of the full likelihood, after RIGLS too",
    component_tests="prints none",
    component_intervals="prints none",
    criterion="-2*loglikelihood; that after RIGLS could not be checked and is given as the restricted one",
    information="prints none",
    scale="variances and covariances, as matrices Omega",
    order="highest level first, residual last",
    reference="first label unless chosen otherwise",
)

_STATA = Convention(
    program="stata",
    title="Stata mixed",
    default="ML",
    df="z",
    errors="observed",
    tests="none",
    intervals="log",
    counts="stata",
    residual_first=False,
    highest_first=True,
    method="ML unless reml (REML before Stata 12's mixed, in xtmixed)",
    freedom="none: z and Wald chi-square, unless dfmethod()",
    component_errors="inverse of the observed information (in log sds and arc-tangent correlations)",
    component_tests="prints none; one likelihood ratio of all variances together",
    component_intervals="95 % by the logarithm for variances, on the scale itself for covariances",
    criterion="log (restricted) likelihood itself, not times -2",
    information="k = fixed effects and variance parameters, n = rows, REML or not (estat ic)",
    scale="variances and covariances (sds and correlations with stddeviations)",
    order="highest level first; slopes, then _cons, then covariances; residual last",
    reference="first label (base level)",
)

CONVENTIONS = {rule.program: rule for rule in (_LME4, _SAS, _SPSS, _HLM, _MLWIN, _STATA)}

# What is put in words, and why it matters.
TOPICS = {
    "method": (
        "default method",
        "A program run without options may fit by the other method: ML variances are smaller, most of all with few "
        "groups.",
    ),
    "freedom": (
        "degrees of freedom",
        "Estimate, standard error and t are the same; only what t is compared with, hence p and intervals, differs.",
    ),
    "component_errors": (
        "standard errors of variance components",
        "Observed and expected information, of the restricted or the full likelihood, agree in large samples only.",
    ),
    "component_tests": (
        "tests of variance components",
        "A variance can not be negative, so that a two-sided Wald p is twice the one-sided; neither is the test by "
        "likelihood ratio.",
    ),
    "component_intervals": (
        "intervals of variance components",
        "By the logarithm the interval stays above 0 and is not symmetric.",
    ),
    "criterion": ("criterion", "One likelihood, shown as it is or times -2; the constants are the same."),
    "information": (
        "information criteria",
        "The criterion is the same; parameters and observations are counted differently. Compare models within one "
        "program only.",
    ),
    "scale": (
        "scale of variance components",
        "The same matrix: a covariance is the correlation times both standard deviations.",
    ),
    "order": ("order of variance components", "The same parameters in another order."),
    "reference": (
        "reference label",
        "Another reference label changes the coefficients of a factor, their signs and the intercept, but not the fit. "
        "Printouts here keep the coding of the fit.",
    ),
}


def pick_convention(program: object, argument: str) -> Convention:
    """The rules of a program by its name.

    Parameters
    ----------
    program : str
    argument : str
        What errors should call it.

    Returns
    -------
    Convention

    Raises
    ------
    ArgumentError
        Another program.
    """
    if isinstance(program, str) and program.lower() in CONVENTIONS:
        return CONVENTIONS[program.lower()]
    near = _nearest(str(program).lower())
    raise ArgumentError(
        f"{argument}={program!r} is no program whose printout is known.",
        f"Expected one of {', '.join(CONVENTIONS)}.",
        f"Did you mean '{near}'?" if near else "Choose one of these.",
    )


# What else the programs are called.
_CALLED = {"lmer": "lme4", "lmertest": "lme4", "r": "lme4", "mixed": "stata", "xtmixed": "stata", "proc mixed": "sas"}


def _nearest(name: str) -> str | None:
    """The program a name may mean."""
    near = difflib.get_close_matches(name, [*CONVENTIONS, *_CALLED], n=1, cutoff=0.5)
    return _CALLED.get(near[0], near[0]) if near else None


def convention_table(programs: tuple[str, ...] = tuple(CONVENTIONS)) -> pd.DataFrame:
    """The rules in words, one row for each topic and one column for each program."""
    words = {field.name for field in fields(Convention)} & set(TOPICS)
    topics = [topic for topic in TOPICS if topic in words]
    columns = {name: [getattr(CONVENTIONS[name], topic) for topic in topics] for name in programs}
    return pd.DataFrame(columns, index=pd.Index([TOPICS[topic][0] for topic in topics], name="topic"))
