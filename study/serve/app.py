"""Addresses -> pages, tables, figures and events. No part of an address reaches the file system.

/                                   all studies
/running                            what runs now, and machines.json: what is in use of theirs
/compare?a=STUDY&b=STUDY            two side by side
/study/NAME                         a study
/study/NAME/table.csv, trials.csv   its tables
/study/NAME/curves.json, ...        its figures, as plotly.js takes them
/study/NAME/curves.svg, ...         the same on paper, also .png and .pdf
/study/NAME/trial/KEY               a trial, and its curves.json
/events, /events?study=NAME         server-sent events: something of it changed
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from upath import UPath

from study.analysis import hyperparameters, interactive, interactive_search, searching, tables
from study.analysis import pages as templates
from study.serve import pages, running
from study.serve.answers import Answers
from study.serve.following import Following
from study.store.files import is_local
from study.terminal import rough_duration

HERE = Path(__file__).parent
# Figures on paper that only studies which search have.
OF_SEARCH = ("search", "points", "parallel")


class Pages:
    """The application over a storage that is followed, and others that it is compared with."""

    def __init__(self, followings: Mapping[str, Following]) -> None:
        self._followings = followings
        self._main = next(iter(followings.values()))
        self._answers = Answers(followings)
        self._templates = templates.environment(HERE / "templates", undefined=jinja2.StrictUndefined)
        self._templates.filters["duration"] = rough_duration

    def app(self) -> Starlette:
        """All addresses."""
        study = "/study/{name:str}"
        routes = [
            Route("/", self.studies),
            Route("/running", self.running),
            Route("/machines.json", self.machines),
            Route("/compare", self.compare),
            Route("/events", self.events),
            Route(study, self.study),
            Route(f"{study}/table.csv", self.table),
            Route(f"{study}/trials.csv", self.trials),
            Route(f"{study}/{{figure:str}}.json", self.figure),
            Route(f"{study}/{{figure:str}}.{{kind:str}}", self.on_paper),
            Route(f"{study}/trial/{{key:str}}", self.trial),
            Route(f"{study}/trial/{{key:str}}/curves.json", self.trial_curves),
            Route("/static/plotly.min.js", _plotly),
            Route("/static/plot.js", _plot),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._mistake})

    def login(self) -> str:
        """The page that asks for the token."""
        return self._templates.get_template("login.html").render(now=None, follows="")

    async def studies(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in ("q", "state", "sort")}

        def show() -> str:
            rows = pages.studies(self._main, asked["q"], asked["state"], asked["sort"])
            count = pages.trial_count(self._main.now)
            return self._page("studies.html", "*", rows=rows, asked=asked, trials=count)

        return await self._answers.kept(request, "*", show)

    async def study(self, request: Request) -> Response:
        name = self._name(request)
        asked = dict(request.query_params)

        def show() -> str:
            shown = pages.study(self._main, name)
            results = self._main.results(name)
            return self._page(
                "study.html", name, name=name, **shown, asked=asked, query=str(request.query_params),
                metrics=results.metrics(name), varied=[*hyperparameters.varied(results, name)],
                arms=[arm["label"] for arm in shown["section"].record["arms"]],
                chosen=request.query_params.getlist("arm"),
                trials=pages.trials(self._main, name, asked.get("of", ""), asked.get("state", ""),
                                    _whole(asked.get("page", "1"))),
            )  # fmt: skip

        return await self._answers.kept(request, name, show)

    async def trial(self, request: Request) -> Response:
        name, key = self._name(request), request.path_params["key"]

        def show() -> str:
            try:
                shown = pages.trial(self._main, name, key)
            except KeyError:
                raise HTTPException(404, "The study has no such trial.") from None
            metrics = self._main.results(name).metrics(name)
            asked = dict(request.query_params)
            return self._page("trial.html", name, name=name, **shown, all_metrics=metrics, asked=asked)

        return await self._answers.kept(request, name, show)

    async def running(self, request: Request) -> Response:
        def show() -> str:
            rows, machines = running.trials(self._main), running.machines(self._main)
            return self._page("running.html", "*", rows=rows, machines=machines)

        return await self._answers.kept(request, "*", show)

    async def machines(self, request: Request) -> Response:
        return await self._answers.kept(
            request, "*", lambda: json.dumps(running.use_over_time(self._main)), "application/json"
        )

    async def compare(self, request: Request) -> Response:
        a, b = (request.query_params.get(side, "") for side in ("a", "b"))

        def show() -> str:
            names = self._names()
            table, notes = pages.compared(names, a, b) if a in names and b in names else (None, [])
            return self._page("compare.html", "*", names=list(names), a=a, b=b, table=table, notes=notes)

        return await self._answers.kept(request, "*", show)

    def _names(self) -> dict[str, tuple[Following, str]]:
        """All studies of all storages: those of the first by name, others with their storage."""
        return {
            name if place == 0 else f"{name} in {storage}": (following, name)
            for place, (storage, following) in enumerate(self._followings.items())
            for name in following.now.rows
        }

    async def table(self, request: Request) -> Response:
        name = self._name(request)

        def make() -> bytes:
            return tables.csv(pages.section(self._main, name).table)

        return await self._answers.kept(request, name, make, "text/csv", f"{name}.csv")

    async def trials(self, request: Request) -> Response:
        name = self._name(request)

        def make() -> bytes:
            return tables.csv(self._main.results(name).every(name))

        return await self._answers.kept(request, name, make, "text/csv", f"{name}-trials.csv")

    async def figure(self, request: Request) -> Response:
        name, kind = self._name(request), request.path_params["figure"]
        asked = request.query_params

        def make() -> str:
            results = self._main.results(name)
            metrics, varied = results.metrics(name), hyperparameters.varied(results, name)
            if kind == "curves":
                metric = asked.get("metric", "")
                shown = interactive.Shown(
                    metric if metric in metrics else "", tuple(asked.getlist("arm")), "seeds" in asked,
                    asked.get("smooth") != "0", "logx" in asked, "logy" in asked,
                )  # fmt: skip
                return json.dumps(interactive.curves(results, name, shown, self._main.now.running))
            if kind == "effects":
                return json.dumps(interactive.effects(results, name))
            if kind == "best" and searching.searches(results.studies[name]):
                return json.dumps(interactive_search.progress(results, name))
            by = [one for one in (asked.get("x", ""), asked.get("y", "")) if one in varied]
            metric = asked["by"] if asked.get("by") in metrics else next(iter(metrics))
            if kind == "against" and by:
                return json.dumps(hyperparameters.against(results, name, metric, *dict.fromkeys(by)))
            if kind == "parallel" and len(varied) > 1:
                return json.dumps(hyperparameters.parallel(results, name, metric))
            raise HTTPException(404, "There is no such figure.")

        return await self._answers.kept(request, name, make, "application/json", beats=kind == "curves")

    async def on_paper(self, request: Request) -> Response:
        name, figure, kind = self._name(request), request.path_params["figure"], request.path_params["kind"]
        types = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
        searches = searching.searches(self._main.now.records.get(name, {}))
        if figure not in ("curves", "effects", *(OF_SEARCH if searches else ())) or kind not in types:
            raise HTTPException(404, "There is no such figure.")

        def make() -> bytes:
            from study.analysis import figures, search_figures  # matplotlib takes a second to import

            draw = {
                "curves": figures.draw_training_curves, "effects": figures.draw_effects,
                "search": search_figures.draw_progress, "points": search_figures.draw_points,
                "parallel": search_figures.draw_parallel,
            }  # fmt: skip
            return figures.rendered(draw[figure](self._main.results(name), name), kind)

        return await self._answers.kept(request, name, make, types[kind], f"{name}-{figure}.{kind}")

    async def trial_curves(self, request: Request) -> Response:
        name, key = self._name(request), request.path_params["key"]
        metric = request.query_params.get("metric", "")

        def make() -> str:
            results = self._main.results(name)
            shown = interactive.of_trial(results, name, key, metric, self._main.now.running.get(key))
            return json.dumps(shown)

        return await self._answers.kept(request, name, make, "application/json")

    async def events(self, request: Request) -> Response:
        study = request.query_params.get("study", "*")
        # A browser would not ask again after an error.
        if study != "*" and self._main.now.read_at is not None:
            self._check_that_there_is(study)
        return self._answers.events(study)

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        self._check_that_there_is(name)
        return name

    def _check_that_there_is(self, study: str) -> None:
        now = self._main.now
        if study in now.rows:
            return
        if now.read_at is None:  # nobody knows yet
            raise HTTPException(503, "The storage has not been read yet.", {"Retry-After": "2"})
        raise HTTPException(404, f"There is no study {study!r} in this storage.")

    def _page(self, template: str, follows: str, **shown: Any) -> str:
        now = self._main.now
        return self._templates.get_template(template).render(
            now=now, store=_named(self._main.store.root), follows=follows, **shown
        )

    async def _mistake(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = self._page("mistake.html", "*", said=error.detail, again=error.status_code == 503)
        return Response(page, error.status_code, error.headers, "text/html")


def _named(root: UPath) -> str:
    """The storage as whoever started this knows it: below the current folder without that."""
    here = Path.cwd()
    if is_local(root) and Path(root.path).is_relative_to(here):
        return str(Path(root.path).relative_to(here))
    return str(root)


async def _plotly(request: Request) -> Response:
    path = interactive.plotly_js()
    assert path is not None  # the extra that brings this server brings it
    return FileResponse(path, headers={"Cache-Control": "max-age=86400"})


async def _plot(request: Request) -> Response:
    return FileResponse(templates.TEMPLATES / "plot.js")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
