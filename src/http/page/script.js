// Updates ages and countdowns, copies commands, and refreshes the page without changing the scroll position.
"use strict";
(() => {
  const REFRESH_MILLIS = 15_000;
  const REFRESHED_IDS = ["clock", "state", "list", "ended"];
  const FOCUSABLE = "summary, a, button";
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");

  // Ages are relative to the clock of the server.
  let clockOffset = 0;
  const setClock = () => { clockOffset = Number(byId("clock").dataset.now) - Date.now(); };
  const now = () => Date.now() + clockOffset;

  // Formats an age like kubectl, and like format_age in src/present.rs.
  const formatAge = (millis) => {
    const s = Math.max(0, Math.floor(millis / 1000)), m = Math.floor(s / 60), h = Math.floor(s / 3600), d = Math.floor(s / 86400);
    const join = (large, unit, small, smallUnit) => (small ? `${large}${unit}${small}${smallUnit}` : `${large}${unit}`);
    if (s < 120) return `${s}s`;
    if (m < 10) return join(m, "m", s % 60, "s");
    if (m < 180) return `${m}m`;
    if (h < 8) return join(h, "h", m % 60, "m");
    if (h < 48) return `${h}h`;
    if (d < 8) return join(d, "d", h % 24, "h");
    if (d < 730) return `${d}d`;
    return d < 8 * 365 ? join(Math.floor(d / 365), "y", d % 365, "d") : `${Math.floor(d / 365)}y`;
  };

  const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const tick = () => {
    const at = now();
    for (const time of document.querySelectorAll("time[data-since]")) setText(time, formatAge(at - Number(time.dataset.since)));
    for (const wait of document.querySelectorAll(".next[data-until]")) {
      const from = Number(wait.dataset.from), until = Number(wait.dataset.until);
      setText(wait.querySelector("b"), at < until ? `in ${formatAge(until - at)}` : "any moment");
      wait.querySelector("progress").value = Math.min(100, (100 * (at - from)) / Math.max(1, until - from));
    }
  };

  // The first visible row with an id. It keeps its position during a refresh.
  const scrollAnchor = () => {
    for (const row of document.querySelectorAll("details[id]")) {
      const { top, bottom, height } = row.getBoundingClientRect();
      if (height > 0 && bottom > 0) return { id: row.id, top };
    }
    return null;
  };

  const replaceContent = (next) => {
    const focused = document.activeElement, section = focused && focused.closest("details[id], #state, #list, #ended");
    const focus = section && [section.id, Array.from(section.querySelectorAll(FOCUSABLE)).indexOf(focused)];
    const open = new Map(Array.from(document.querySelectorAll("details[id]"), (row) => [row.id, row.open]));
    const anchor = scrollAnchor();
    for (const id of REFRESHED_IDS) {
      const [old, fresh] = [byId(id), next.getElementById(id)];
      if (old && fresh) old.replaceWith(document.adoptNode(fresh));
    }
    document.title = next.title;
    for (const row of document.querySelectorAll("details[id]")) if (open.has(row.id)) row.open = open.get(row.id);
    if (focus) byId(focus[0])?.querySelectorAll(FOCUSABLE)[focus[1]]?.focus({ preventScroll: true });
    const moved = anchor && byId(anchor.id);
    if (moved) window.scrollBy({ top: moved.getBoundingClientRect().top - anchor.top, behavior: "instant" });
    setClock();
    tick();
  };

  let lastRefresh = 0;
  const refresh = async () => {
    lastRefresh = Date.now();
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      const next = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok || !next.getElementById("clock")) throw new Error(`status ${response.status}`);
      // Keep a selection that is about to be copied.
      if (String(window.getSelection()) === "") replaceContent(next);
      byId("offline").hidden = true;
    } catch (error) {
      setText(byId("offline"), `Cannot reach the exporter (${error.message}). This page shows the state at ${byId("clock").querySelector("time").textContent}.`);
      byId("offline").hidden = false;
    }
  };

  const copy = async (button) => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    } catch {
      // Browsers provide the clipboard on secure pages only. Select the text instead.
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
    if (!document.hidden && byId("auto").checked && Date.now() - lastRefresh >= REFRESH_MILLIS) refresh();
  }, 1000);
  lastRefresh = Date.now();
})();
