"""The one likelihood: W'V^-1W and log|V| up the tree of groups, with exact derivatives, effects and draws."""
