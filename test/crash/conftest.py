# SPDX-License-Identifier: Apache-2.0
"""The servers of the end-to-end tests, for tests that are less gentle with them."""
import importlib.util
import pathlib

_path = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("rouse_e2e_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
globals().update({name: value for name, value in vars(_module).items() if name[0] != "_"})
