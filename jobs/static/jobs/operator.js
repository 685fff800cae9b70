"use strict";
/* Two small things: buttons that copy, and pages that read themselves again while something can still happen. */

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const icon = button.querySelector(".material-symbols-outlined");
  const say = (name) => {
    if (!icon) return;
    icon.textContent = name;
    setTimeout(() => { icon.textContent = "content_copy"; }, 1500);
  };
  navigator.clipboard.writeText(button.dataset.copy).then(() => say("check"), () => say("error"));
});

/* The page's element names the URL of its newer self. Each child with an ID is replaced when the server's text of it
   has changed; what a reader unfolded stays unfolded. Anything but a good answer marks the page as stale. */
function live(page) {
  const pause = Number(page.dataset.liveSeconds || 2) * 1000;
  let seen = new Map();
  let goodAt = new Date();
  let failures = 0;

  const goesOn = () => page.querySelector("[data-live='1']") !== null;

  function mark(text) {
    const status = page.querySelector(".ch-live");
    const words = page.querySelector("[data-live-text]");
    if (!status || !words) return;
    status.classList.toggle("ch-stale", text !== "live");
    if (words.textContent !== text) words.textContent = text;
  }

  function take(html) {
    const fresh = new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.firstElementChild;
    const now = new Map();
    for (const part of [...fresh.children].filter((child) => child.id)) {
      now.set(part.id, part.outerHTML);
      const old = page.querySelector(`:scope > #${CSS.escape(part.id)}`);
      if (!old) {
        page.append(part);
      } else if (seen.get(part.id) !== part.outerHTML && !old.contains(document.activeElement)) {
        for (const open of old.querySelectorAll("details[open][id]")) {
          part.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
        }
        old.replaceWith(part);
        window.htmx?.process(part);
      } else {
        now.set(part.id, seen.get(part.id));
      }
    }
    for (const id of seen.keys()) if (!now.has(id)) page.querySelector(`:scope > #${CSS.escape(id)}`)?.remove();
    seen = now;
  }

  async function read() {
    if (!goesOn()) return;
    if (document.hidden) return again();
    try {
      const answer = await fetch(page.dataset.liveUrl, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      take(await answer.text());
      goodAt = new Date();
      failures = 0;
      mark("live");
    } catch {
      failures += 1;
      mark(`stale since ${goodAt.toISOString().slice(11, 19)} UTC, trying again`);
    }
    again();
  }

  const again = () => setTimeout(read, Math.min(pause * 2 ** Math.min(failures, 4), 30000));
  again();
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-live-url]").forEach(live);
});
