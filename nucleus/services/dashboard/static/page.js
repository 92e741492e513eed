// What HTML and htmx leave over: when to look again, and what to say. Everything that the page
// shows is made by the server; without this file it only does not move by itself.
"use strict";

const poll = document.getElementById("poll");
const note = document.getElementById("note");
const pause = document.getElementById("pause");
let paused = false;

const look = () => htmx.trigger(poll, "look");

// ---- looking again --------------------------------------------------------------------

document.addEventListener("htmx:config:request", (event) => {
  const byItself = event.detail.ctx.sourceEvent.type === "every";
  if (byItself && (paused || document.hidden)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) look();
});

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) look();
});

// ---- when the dashboard itself is gone, or refuses -------------------------------------

function warn(words) {
  const link = document.getElementById("link");
  if (link.textContent === words) return; // a screen reader would say it again
  const line = document.createElement("p");
  line.textContent = words;
  link.replaceChildren(line);
}

document.addEventListener("htmx:error", () => {
  warn("✗ The dashboard does not answer. This page looks again by itself.");
});

document.addEventListener("htmx:before:response", (event) => {
  const { response, hx } = event.detail.ctx;
  const { status } = response;
  if (status < 400 || hx.refresh) return; // with "refresh", the page is loaded anew: to log in
  warn(`✗ The dashboard refuses, with status ${status}. Reload the page to see why.`);
  event.preventDefault(); // what it answers is no part of this page
});

// ---- saying what was done --------------------------------------------------------------

document.addEventListener("look", (event) => {
  if (event.target !== poll) look();
});

document.addEventListener("note", (event) => {
  const { words, job } = event.detail;
  note.replaceChildren(words);
  if (job) {
    const link = document.createElement("a");
    link.href = `${document.body.dataset.root}page/jobs/${encodeURIComponent(job)}`;
    link.textContent = "Open it";
    note.append(" ", link);
  }
});
