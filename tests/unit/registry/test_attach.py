"""What is shown beside a version in MLflow, and what is said where it cannot be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.unit.registry.conftest import SLOT, register

from truecast.registry.registry import Registry


def test_a_card_is_among_the_artifacts_of_its_run(
    registry: Registry, client: Callable[..., object], tmp_path: Path
) -> None:
    record = registry.find(SLOT, register(registry))
    folder = tmp_path / "card"
    folder.mkdir()
    for said in ("first", "second"):
        (folder / "card.html").write_text(said, encoding="utf-8")
        registry.attach(record, folder)
    listed = client("list_artifacts", record.mlflow_run, "card")
    assert [one.path for one in listed] == ["card/card.html"]
    found = client("download_artifacts", record.mlflow_run, "card/card.html", str(tmp_path))
    assert Path(str(found)).read_text(encoding="utf-8") == "second"
    assert registry.notices == []


def test_a_run_that_is_gone_is_a_notice(registry: Registry, tmp_path: Path) -> None:
    record = replace(registry.find(SLOT, register(registry)), mlflow_run="0" * 32)
    (tmp_path / "card.html").write_text("card", encoding="utf-8")
    registry.attach(record, tmp_path)
    (notice,) = registry.notices
    assert notice.endswith(f"the model card is in {tmp_path} all the same")
    assert "0" * 32 in notice
