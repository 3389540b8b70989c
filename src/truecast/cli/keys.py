"""The commands that make, list and revoke keys of the API."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from truecast.cli.options import AsJson
from truecast.cli.output import console, print_json, table
from truecast.core.settings import load_settings
from truecast.serving.door.classes import Scope

if TYPE_CHECKING:
    from truecast.serving.door.keys import Key, Keys

app = typer.Typer(
    help="Make, list and revoke keys of the API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Name = Annotated[str, typer.Argument(help="Name of the key, or its id.", show_default=False)]


@app.command()
def add(
    name: Annotated[
        str, typer.Argument(help="Who holds it; the audit names it so.", show_default=False)
    ],
    scope: Annotated[
        Scope, typer.Option("--scope", help="What it is good for, and the scopes before it.")
    ] = "read",
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is shown this once, and kept nowhere."""
    from truecast.serving.door.audit import LOCAL

    key, secret = _keys().add(name, scope, LOCAL)
    if as_json:
        print_json(document(key) | {"secret": secret})
        return
    console.print(f"{secret}\n", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"This is the secret of {key.name!r}, good for {', '.join(key.scopes)}. It is not shown "
        "again.\nSend it as `Authorization: Bearer SECRET` or `X-API-Key: SECRET`. From now on "
        "every request needs a key.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List every key that was ever made, without the secrets."""
    keys = _keys().all()
    if as_json:
        print_json([document(key) for key in keys])
        return
    table(
        "Keys",
        ("name", "id", "good for", "made", "revoked"),
        [
            (
                *(key.name, key.id, ", ".join(key.scopes)),
                f"{key.created_at:%Y-%m-%d %H:%M}",
                f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
            )
            for key in keys
        ],
    )


@app.command()
def revoke(name: _Name, as_json: AsJson = False) -> None:
    """Take a key back; servers that run refuse it within two seconds."""
    from truecast.serving.door.audit import LOCAL

    key = _keys().revoke(name, LOCAL)
    if as_json:
        print_json(document(key))
        return
    console.print(
        f"{key.name!r} is revoked since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC.",
        highlight=False,
        markup=False,
    )


def document(key: "Key") -> dict[str, Any]:
    """Return a key as JSON can hold it."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }


def _keys() -> "Keys":
    from truecast.database.engine import open_database
    from truecast.serving.door.keys import Keys

    return Keys(open_database(load_settings().database))
