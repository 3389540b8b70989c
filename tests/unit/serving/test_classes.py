"""Every route is in a class, and what is forgotten is closed."""

import pytest
from starlette.routing import Route

from truecast.core.settings import Settings
from truecast.serving.app import create_app
from truecast.serving.door.classes import CLASSES, class_of, named_class
from truecast.serving.service import open_service


@pytest.mark.parametrize(
    ("method", "path", "name", "scope"),
    [
        ("GET", "/", "read", "read"),
        ("GET", "/health", "read", "read"),
        ("HEAD", "/docs", "read", "read"),
        ("GET", "/openapi.json", "read", "read"),
        ("GET", "/models", "read", "read"),
        ("POST", "/predict", "predict", "read"),
        ("POST", "/predict/return/lightgbm", "predict", "read"),
        ("POST", "/forecast/price", "predict", "read"),
        ("POST", "/bars", "write", "write"),
        ("POST", "/news", "write", "write"),
        ("POST", "/train-child", "train", "write"),
        ("POST", "/models/a@b:c:price:1/promote", "admin", "admin"),
        ("GET", "/system/logs", "admin", "admin"),
        ("POST", "/bars/", "admin", "admin"),
        ("POST", "//bars", "admin", "admin"),
        ("POST", "/forgotten", "admin", "admin"),
        ("PUT", "/predict", "admin", "admin"),
        ("DELETE", "/health", "admin", "admin"),
        ("post", "/predict", "admin", "admin"),
    ],
)
def test_routes_have_the_class_that_fits(method, path, name, scope):
    found = class_of(method, path)
    assert (found.name, found.scope) == (name, scope)


def test_bars_and_news_may_be_larger():
    sizes = {of.name: of.largest_body for of in CLASSES}
    assert sizes.pop("write") == 8 * 1024 * 1024
    assert set(sizes.values()) == {1024 * 1024}


def test_training_and_administration_are_never_uncounted():
    assert {of.name for of in CLASSES if of.counted} == {"train", "admin"}


def test_no_route_was_forgotten(tmp_path):
    app = create_app(open_service(Settings(home=tmp_path)))
    routes = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    assert ("POST", "/predict") in routes
    unnamed = {(method, path) for method, path in routes if named_class(method, path) is None}
    assert unnamed <= {("DELETE", "/system/reset")}
