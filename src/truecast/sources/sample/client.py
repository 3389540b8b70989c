"""Get the sample's bytes out of the installed ``arch`` package."""

from importlib.util import find_spec
from pathlib import Path

from truecast.sources.base import SourceError


def read_sample(name: str) -> bytes:
    """Read one of the files that ``arch`` carries, as it lies there.

    Parameters
    ----------
    name : str
        Folder and stem of the file: ``sp500``, ``nasdaq``, ``vix`` or ``wti``.

    Raises
    ------
    SourceError
        If the package or the file is not there.
    """
    # Found without importing: arch pulls in pandas and statsmodels, which take seconds.
    spec = find_spec("arch")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder) / "data" / name / f"{name}.csv.gz"
        if path.is_file():
            return path.read_bytes()
    raise SourceError(
        f"the sample data {name!r} ships inside the package 'arch', which was not found with it: "
        "install truecast with its dependencies"
    )
