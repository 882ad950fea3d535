// Keeps the page as fresh as the appliance: whenever that says that something changed, the page is
// fetched again and only what differs is changed, so that focus, scrolling and what is unfolded
// stay. Without this script the page works too; it is then as fresh as its last load.
"use strict";

const main = document.getElementById("main");
const offline = document.getElementById("offline");
const clock = document.getElementById("clock");
const icon = document.querySelector("link[rel=icon]");

// What belongs to the reader, not to the server.
const OWN = new Set(["open", "hidden"]);

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && !a.id && !b.id;
}

function copyAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !OWN.has(name)) old.setAttribute(name, value);
  }
}

// Makes `old` say what `fresh` says. Elements with an id are the same element wherever they stand.
function morph(old, fresh) {
  if (old.isEqualNode(fresh) || old.dataset?.keep !== undefined) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  copyAttributes(old, fresh);
  const known = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = child.id ? known.get(child.id) : at && alike(at, child) ? at : null;
    if (!match) {
      old.insertBefore(child, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

let loading = false;
let again = false;

async function refresh() {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout(SILENCE_MS),
    });
    // The session has ended, or the series is gone: show what the server shows instead.
    if (answer.redirected || answer.status === 404) return location.reload();
    if (!answer.ok) return lost();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(main, fresh.getElementById("main"));
    document.title = fresh.title;
    icon.href = fresh.querySelector("link[rel=icon]").href;
    setClock(fresh.getElementById("clock"));
    found();
  } catch {
    lost();
  } finally {
    loading = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

// A green light that nobody updates is dangerous: say so as soon as the stream breaks, the box falls
// silent, or the page cannot be had.
function lost() {
  if (!offline.hidden) return;
  offline.textContent = offline.dataset.words.replace("%", clock.textContent);
  offline.hidden = false;
  document.body.classList.add("stale");
}

// What was just fetched is only fresh as long as changes are heard of.
function found() {
  if (events?.readyState !== EventSource.OPEN) return;
  offline.hidden = true;
  document.body.classList.remove("stale");
}

// The box speaks every five seconds. When its power fails or a cable is pulled, nobody is left to
// close the stream, and silence is all there is to hear.
const SILENCE_MS = 17_000;
const AGAIN_MS = 3_000;

let events = null;
let next = 0;

function heard() {
  clearTimeout(next);
  next = setTimeout(() => {
    lost();
    listen();
  }, SILENCE_MS);
}

function listen() {
  hush();
  const stream = new EventSource("/api/events");
  events = stream;
  heard();
  stream.addEventListener("changed", () => {
    heard();
    refresh();
  });
  for (const sign of ["open", "alive"]) {
    stream.addEventListener(sign, () => {
      heard();
      if (!offline.hidden) refresh();
    });
  }
  stream.addEventListener("error", () => {
    lost();
    if (stream.readyState !== EventSource.CLOSED) return;
    // Refused, perhaps because the session ended: then the login page comes instead.
    refresh();
    clearTimeout(next);
    next = setTimeout(listen, AGAIN_MS);
  });
}

function hush() {
  clearTimeout(next);
  events?.close();
}

// A browser opens six connections to a box at most: tabs that nobody sees leave them to others. The
// light in the strip of tabs would be old, so it goes out.
function attend() {
  if (document.hidden) {
    hush();
    icon.href = "/assets/icon.svg";
    document.title = document.querySelector(".brand").textContent;
  } else {
    listen();
    refresh();
  }
}

// The box's time, not the reader's.
let behind = 0;

function setClock(shown) {
  behind = Number(shown.dataset.now) - performance.now();
  clock.dataset.offset = shown.dataset.offset;
  clock.dataset.zone = shown.dataset.zone;
}

function tick() {
  const seconds = Number(clock.dataset.offset);
  const time = new Date(behind + performance.now() + seconds * 1000);
  const words = `${time.toISOString().slice(11, 19)} ${clock.dataset.zone}`;
  if (clock.textContent !== words && offline.hidden) clock.textContent = words;
}

setClock(clock);
setInterval(tick, 500);
if (main.dataset.live !== undefined) {
  document.addEventListener("visibilitychange", attend);
  if (document.hidden) attend();
  else listen();
}

// The slices of a series: the slider and the windows exchange the picture in place. A picture is
// asked for when the one before has come, so a quick hand asks for few.
function view(viewer) {
  const image = viewer.querySelector("img");
  const slider = viewer.querySelector("input");
  const windows = [...viewer.querySelectorAll(".windows a")];
  let chosen = viewer.dataset.window;
  let waiting = false;
  function show() {
    const words = viewer.dataset.words.replace("%", slider.value);
    viewer.querySelector(".where").textContent = words;
    image.alt = words;
    for (const link of windows) {
      if (link.dataset.window === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const wanted = `/series/${viewer.dataset.series}/slices/${slider.value}.png?window=${chosen}&v=${viewer.dataset.version}`;
    if (waiting || image.getAttribute("src") === wanted) return;
    waiting = true;
    image.src = wanted;
  }
  for (const end of ["load", "error"]) {
    image.addEventListener(end, () => {
      waiting = false;
      show();
    });
  }
  slider.hidden = false;
  slider.addEventListener("input", show);
  viewer.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    if (link.rel) link.rel === "next" ? slider.stepUp() : slider.stepDown();
    else chosen = link.dataset.window;
    show();
  });
  return (slice) => {
    slider.value = slice;
    show();
  };
}

const views = new WeakMap();

function findViewer() {
  const viewer = document.querySelector("[data-viewer]");
  if (viewer && !views.has(viewer)) views.set(viewer, view(viewer));
  return viewer;
}

findViewer();
new MutationObserver(findViewer).observe(main, { childList: true, subtree: true });
main.addEventListener("click", (event) => {
  const link = event.target.closest("[data-slice]");
  const viewer = link && findViewer();
  if (!viewer) return;
  event.preventDefault();
  views.get(viewer)(link.dataset.slice);
  viewer.scrollIntoView({ block: "nearest" });
});
