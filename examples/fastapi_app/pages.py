"""The pages to look at: the API page with assets of its own, and the demo's page at /."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS = "/docs/assets"
MOST_SHOWN = 200
Tokens = Callable[[], dict[str, str]]


def add_api_page(app: FastAPI) -> None:
    """Serve /docs without a content delivery network: its script and style come from an installed package."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

    @app.get("/docs", include_in_schema=False)
    async def api_page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )


def add_demo_page(app: FastAPI, tokens: Tokens, lines: list[str]) -> None:
    """Serve the demo's page, and the record that it shows.

    Args:
        app: the application; `/` and `/demo` must be open.
        tokens: returns a token for each company.
        lines: the record, a line of JSON for each event; it grows.
    """
    page = Path(__file__).with_name("demo.html").read_text()

    @app.get("/", include_in_schema=False)
    async def demo_page() -> HTMLResponse:
        return HTMLResponse(page.replace("__TOKENS__", json.dumps(tokens())))

    @app.get("/demo/events", include_in_schema=False)
    async def events(after: int = 0) -> dict[str, object]:
        new = lines[max(after, len(lines) - MOST_SHOWN) :]
        return {"seen": len(lines), "events": [json.loads(line) for line in new]}
