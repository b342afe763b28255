"""Steps that need no operators or anchors do not import the packages for them."""

import subprocess
import sys

from tests import ROOT


def test_figures_and_values_import_neither_torch_nor_mlsysim():
    modules = [
        f"experiments.{question}.{part}"
        for question in ("first_principles", "estimation_methods")
        for part in ("figures", "report", "tables")
    ]
    code = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'mlsysim'}} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
