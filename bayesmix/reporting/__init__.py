"""Pictures, and the page that holds them.

What ArviZ draws of any posterior it draws of ours: ``arviz.plot_trace_dist(post.idata)``, ``plot_rank``,
``plot_forest``, ``plot_pair``, ``plot_energy``, ``plot_ess``; and of replications, ``post.posterior_predictive()``,
``plot_ppc_dist`` and its kin. There is no second way to these here; name the variables (``var_names=``) where there
are many groups. The functions of this room draw what takes a multilevel model to draw: groups, levels and their
variances, REML beside a posterior, priors by their densities and not by draws, replications group by group.
"""
