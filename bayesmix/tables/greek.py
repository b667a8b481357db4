"""Greek letters as LaTeX of mathematics: its fonts for text have none."""

from __future__ import annotations

from types import MappingProxyType

_SMALL = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau upsilon "
    "varphi chi psi omega"
)
_CAPITAL = "A B Gamma Delta E Z H Theta I K Lambda M N Xi O Pi P - Sigma T Upsilon Phi X Psi Omega"


def _command(name: str) -> str:
    """A letter that looks as a Latin one is that one."""
    return name if len(name) == 1 else f"\\{name}"


# Unicode has both alphabets in this order, with no capital of the sigma that ends words; the micro sign is a mu.
GREEK = MappingProxyType(
    {chr(0x3B1 + place): _command(name) for place, name in enumerate(_SMALL.split())}
    | {chr(0x391 + place): _command(name) for place, name in enumerate(_CAPITAL.split()) if name != "-"}
    | {"µ": r"\mu"}
)
