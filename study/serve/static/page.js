// Follows what the page shows: parts marked data-live and figures are fetched anew when the server says that
// something changed. Nothing here makes markup of what a storage holds: parts come escaped from the server.

import { drawn } from "/static/plot.js";

// Figures -------------------------------------------------------------------------------------------------------

const tags = new Map(); // of each figure the version that is drawn

async function draw(place) {
  const answer = await fetch(place.dataset.src);
  const tag = answer.headers.get("ETag");
  if (!answer.ok || (tag && tags.get(place.id) === tag)) return;
  const figure = await answer.json();
  const empty = figure.data.every((one) => !(one.x ?? []).length);
  place.classList.toggle("empty", empty);
  document.getElementById(`${place.id}-notes`).textContent = empty ? "Nothing to draw yet." : figure.notes.join(" ");
  if (empty) Plotly.purge(place);
  else await drawn(place, figure, place.id);
  tags.set(place.id, tag);
}

async function drawAll() {
  for (const place of document.querySelectorAll(".plot")) await draw(place);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  tags.clear();
  drawAll();
});

// What a form asks of a figure is shown without loading the page, and stands in the address all the same.
for (const form of document.querySelectorAll("form[data-plot]")) {
  const show = (event) => {
    event?.preventDefault();
    const asked = new URLSearchParams(new FormData(form));
    const address = new URL(location.href);
    for (const control of form.elements) if (control.name) address.searchParams.delete(control.name);
    for (const [name, value] of asked) if (value) address.searchParams.append(name, value);
    history.replaceState(null, "", address);
    const place = document.getElementById(form.dataset.plot);
    place.dataset.src = `${place.dataset.src.split("?")[0]}?${asked}`;
    draw(place);
  };
  form.addEventListener("submit", show);
  form.addEventListener("change", show);
}

// What changes --------------------------------------------------------------------------------------------------

// As the server sent them: what is shown of a part differs, since moments become "5 minutes ago".
const sent = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));

async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const anew = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = anew.getElementById(part.id);
    if (!other || other.innerHTML === sent.get(part.id)) continue;
    sent.set(part.id, other.innerHTML);
    const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const closed = [...part.querySelectorAll("details")].map((one) => !one.open);
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceChildren(...other.childNodes);
    part.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] ?? 0; });
    part.querySelectorAll("details").forEach((one, at) => { if (closed[at]) one.open = false; });
    if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  sayWhen();
  await drawAll();
}

let busy = false, again = false;

async function follow() {
  again = true;
  if (busy) return;
  busy = true;
  try {
    while (again) {
      again = false;
      await renew();
    }
  } catch (error) {
    say("not reached");
  } finally {
    busy = false;
  }
}

function say(text) {
  const place = document.getElementById("link");
  if (place && place.textContent !== text) place.textContent = text;
}

function sayWhen() {
  for (const moment of document.querySelectorAll("time")) {
    const seconds = (Date.now() - new Date(moment.dateTime)) / 1000;
    const [n, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"]
      : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
    moment.title = new Date(moment.dateTime).toLocaleString();
    moment.textContent = new Intl.RelativeTimeFormat("en").format(-Math.round(n), unit);
  }
}

const follows = document.body.dataset.follows;
if (follows) {
  const events = new EventSource(follows === "*" ? "/events" : `/events?study=${encodeURIComponent(follows)}`);
  let first = true;
  events.onopen = () => say("");
  events.onerror = () => say("not reached; it is tried again");
  events.onmessage = () => {
    if (first) drawAll(); // the page itself is as new as this
    else follow();
    first = false;
  };
  addEventListener("pagehide", () => events.close());
}
sayWhen();
setInterval(sayWhen, 10_000);
