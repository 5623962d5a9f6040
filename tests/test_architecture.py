"""The rules of the design that can be read off the imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_streamer_never_imports_the_trainer_nor_what_only_it_needs() -> None:
    for path in modules("streamer"):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & {"trainer", "lightning", "kagglehub", "torchmetrics", "matplotlib"}, path


def test_only_the_channel_knows_threads() -> None:
    knowing = [
        path.relative_to(ROOT).as_posix()
        for path in modules("streamer")
        if {name.split(".")[0] for name in imported(path)}
        & {"threading", "queue", "concurrent", "multiprocessing"}
    ]
    assert knowing == ["streamer/channel.py"]


def test_the_networks_hold_no_training_code() -> None:
    for path in modules("streamer/nets"):
        assert not {name for name in imported(path) if name.startswith("torch.optim")}, path


def test_nothing_loads_pickles_without_the_guard() -> None:
    for package in ("streamer", "trainer"):
        for path in modules(package):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "torch.load",
                    "pickle.load",
                    "pickle.loads",
                ):
                    guard = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                    assert guard.get("weights_only") == "True", f"{path}:{node.lineno}"


def test_there_is_no_module_called_utils() -> None:
    assert not [
        path for package in ("streamer", "trainer") for path in modules(package) if "util" in path.stem
    ]


@pytest.mark.parametrize("command", ["streamer", "trainer"])
def test_the_help_of_a_command_comes_without_loading_torch(command: str) -> None:
    code = f"import sys; import {command}.cli; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
