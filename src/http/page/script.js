// Counts the seconds, copies commands, and brings the page up to date without moving what somebody reads.
"use strict";
(() => {
  const EVERY = 15_000;
  const LIVE = ["clock", "state", "list", "past"];
  const FOCUSABLE = "summary, a, button";
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");

  // The server's clock is the one that counts.
  let ahead = 0;
  const setClock = () => { ahead = Number(byId("clock").dataset.now) - Date.now(); };
  const now = () => Date.now() + ahead;

  // As kubectl shows ages; src/present.rs does the same.
  const age = (millis) => {
    const s = Math.max(0, Math.floor(millis / 1000)), m = Math.floor(s / 60), h = Math.floor(s / 3600), d = Math.floor(s / 86400);
    const two = (big, unit, small, of) => (small ? `${big}${unit}${small}${of}` : `${big}${unit}`);
    if (s < 120) return `${s}s`;
    if (m < 10) return two(m, "m", s % 60, "s");
    if (m < 180) return `${m}m`;
    if (h < 8) return two(h, "h", m % 60, "m");
    if (h < 48) return `${h}h`;
    if (d < 8) return two(d, "d", h % 24, "h");
    if (d < 730) return `${d}d`;
    return d < 8 * 365 ? two(Math.floor(d / 365), "y", d % 365, "d") : `${Math.floor(d / 365)}y`;
  };

  const say = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const tick = () => {
    const at = now();
    for (const time of document.querySelectorAll("time[data-since]")) say(time, age(at - Number(time.dataset.since)));
    for (const wait of document.querySelectorAll(".next[data-until]")) {
      const from = Number(wait.dataset.from), until = Number(wait.dataset.until);
      say(wait.querySelector("b"), at < until ? `in ${age(until - at)}` : "any moment");
      wait.querySelector("progress").value = Math.min(100, (100 * (at - from)) / Math.max(1, until - from));
    }
  };

  // What must not move: the first line in sight that has a name.
  const anchor = () => {
    for (const line of document.querySelectorAll("details[id]")) {
      const { top, bottom, height } = line.getBoundingClientRect();
      if (height > 0 && bottom > 0) return { id: line.id, top };
    }
    return null;
  };

  const swap = (next) => {
    const focused = document.activeElement, part = focused && focused.closest("details[id], #state, #list, #past");
    const reached = part && [part.id, Array.from(part.querySelectorAll(FOCUSABLE)).indexOf(focused)];
    const open = new Map(Array.from(document.querySelectorAll("details[id]"), (line) => [line.id, line.open]));
    const held = anchor();
    for (const id of LIVE) {
      const [old, fresh] = [byId(id), next.getElementById(id)];
      if (old && fresh) old.replaceWith(document.adoptNode(fresh));
    }
    document.title = next.title;
    for (const line of document.querySelectorAll("details[id]")) if (open.has(line.id)) line.open = open.get(line.id);
    if (reached) byId(reached[0])?.querySelectorAll(FOCUSABLE)[reached[1]]?.focus({ preventScroll: true });
    const place = held && byId(held.id);
    if (place) window.scrollBy({ top: place.getBoundingClientRect().top - held.top, behavior: "instant" });
    setClock();
    tick();
  };

  let asked = 0;
  const refresh = async () => {
    asked = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok || !next.getElementById("clock")) throw new Error(`the exporter answers ${answer.status}`);
      // Who has marked a text is about to copy it.
      if (String(window.getSelection()) === "") swap(next);
      byId("lost").hidden = true;
    } catch (error) {
      say(byId("lost"), `The exporter cannot be reached (${error.message}). What you see is as of ${byId("clock").querySelector("time").textContent}.`);
      byId("lost").hidden = false;
    }
  };

  const copy = async (button) => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    } catch {
      // Browsers allow it on secure pages only.
      window.getSelection().selectAllChildren(code);
    }
  };

  document.addEventListener("click", (event) => {
    if (event.target.matches("button.copy")) copy(event.target);
    if (event.target.matches("a.reload")) { event.preventDefault(); refresh(); }
  });
  document.addEventListener("change", (event) => { if (event.target.matches(".filters select")) event.target.form.requestSubmit(); });

  if (!byId("clock")) return;
  setClock();
  tick();
  setInterval(() => {
    tick();
    if (!document.hidden && byId("auto").checked && Date.now() - asked >= EVERY) refresh();
  }, 1000);
  asked = Date.now();
})();
