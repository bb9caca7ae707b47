"""Names of structures are a site's own: whatever is in them, a chart shows them as they are."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from actors.reporter.charts import draw_dvhs
from actors.reporter.dvh import Dvh, Structure


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("PTV", "PTV, delivered"),
        ("cord $x^$ 2", r"cord \$x^\$ 2, delivered"),
        ("_PTV", " _PTV, delivered"),
        ("a$", r"a\$, delivered"),
    ],
)
def test_a_name_is_no_formula_and_never_left_out(name: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dose = np.linspace(0.0, 2.0, 20)
    one = Dvh(Structure(1, name, "PTV"), 10.0, dose, np.linspace(100.0, 0.0, 20), 1.0, 0.0, 2.0, "")
    legends: list[list[str]] = []
    legend = Axes.legend

    def seen(panel: Axes, *args: object, **more: object) -> object:
        legends.append(list(panel.get_legend_handles_labels()[1]))
        return legend(panel, *args, **more)

    monkeypatch.setattr(Axes, "legend", seen)
    assert draw_dvhs([one], [], "Gy").startswith(b"\x89PNG")
    assert legends == [[shown]]
