// What the server renders is kept as new as it says it is; nothing is rendered here. No library, nothing from outside.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const body = document.body;
  const SILENT_MS = 6000; // the server says something every two seconds
  let heard = Date.now(), boot = null, wasLost = false, source = null, logTimer = 0;

  // -- putting new HTML in the place of the old, element by element, so that focus, selection and scroll stay

  function key(node) { return node.nodeType === 1 ? node.id : ""; }

  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
      old.replaceWith(fresh.cloneNode(true));
      return;
    }
    if (old.nodeType !== 1) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.isEqualNode(fresh) || old === document.activeElement && old.nodeName === "INPUT") return;
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    children(old, fresh);
  }

  function children(old, fresh) {
    const named = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
    let here = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const same = key(wanted) && named.get(key(wanted));
      if (same && same !== here) { old.insertBefore(same, here); here = same; }
      if (!here) { old.append(wanted.cloneNode(true)); continue; }
      const next = here.nextSibling;
      if (!same && key(here) && key(wanted) !== key(here)) { old.insertBefore(wanted.cloneNode(true), here); continue; }
      morph(here, wanted);
      here = next;
    }
    while (here) { const next = here.nextSibling; here.remove(); here = next; }
  }

  function parsed(html) { return new DOMParser().parseFromString(html, "text/html"); }

  function place(html) {
    const fresh = parsed(html).body.firstElementChild, old = fresh && document.getElementById(fresh.id);
    if (old) morph(old, fresh);
  }

  // -- asking for this page again: only the parts that are not pushed

  let asking = null, again = false, lastAsked = 0;
  const PARTS = ["list", "case", "report", "beams", "timeline", "delivered", "dose", "attempts", "history"];

  function refresh(everything = false) {
    if (asking) { again = true; return; }
    const pause = Math.max(0, (body.dataset.view === "home" ? 1000 : 400) - (Date.now() - lastAsked));
    asking = setTimeout(async () => {
      lastAsked = Date.now();
      try {
        const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
        if (answer.status === 401) { location.href = "/login"; return; }
        if (answer.ok) take(parsed(await answer.text()));
      } catch { /* the stream says that the connection is lost */ }
      asking = null;
      if (again) { again = false; refresh(); }
    }, everything ? 0 : pause);
  }

  function take(fresh) {
    const mine = $('meta[name="mqi-page"]'), theirs = $('meta[name="mqi-page"]', fresh);
    if (mine && theirs) mine.content = theirs.content;
    for (const part of PARTS) {
      const old = document.getElementById(part), now = fresh.getElementById(part);
      if (old && now) morph(old, now);
      else if (old) old.remove();
      else if (now) insert(now, fresh);
    }
    mark();
  }

  function insert(now, fresh) { // a section that was not there before: after the one that it follows
    const before = now.previousElementSibling, old = before && document.getElementById(before.id);
    if (old) old.after(now.cloneNode(true)); else $("#main").append(now.cloneNode(true));
  }

  // -- the stream

  function listen() {
    if (source) source.close();
    if (!body.dataset.live || document.hidden) return;
    source = new EventSource(body.dataset.live);
    source.addEventListener("page", (event) => {
      alive();
      for (const html of Object.values(JSON.parse(event.data))) place(html);
      const told = $("#s-top") && $("#s-top").dataset.boot;
      if (boot !== null && told !== boot) refresh(true); // another start of the daemon: this page's key is no longer good
      boot = told;
    });
    source.addEventListener("cases", (event) => {
      alive();
      const changed = JSON.parse(event.data);
      if (body.dataset.view === "home" || changed.includes(body.dataset.subject)) refresh();
    });
    source.addEventListener("beat", alive);
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000); show(true); };
  }

  function alive() {
    heard = Date.now();
    if (wasLost) refresh(true);
    show(false);
  }

  function show(lost) {
    wasLost = lost;
    body.dataset.link = lost ? "lost" : "live";
    const link = $("#link"), banner = $("#lost");
    $("b", link).textContent = lost ? link.dataset.lost : link.dataset.live;
    banner.hidden = !lost;
    if (lost) {
      const text = $("span", banner), age = Math.round((Date.now() - heard) / 1000);
      text.textContent = text.dataset.text.replace("{at}", hms(new Date(heard))).replace("{age}", span(age, text.dataset));
    }
  }

  function span(seconds, words) { // in its largest whole unit, in the words of the page
    const [word, length] = seconds < 60 ? [words.seconds, 1] : seconds < 3600 ? [words.minutes, 60] : [words.hours, 3600];
    return word.replace("{n}", Math.floor(seconds / length));
  }

  function hms(at) { return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":"); }

  function tick() {
    $("#clock").textContent = hms(new Date()).slice(0, 5);
    if (!document.hidden && body.dataset.live && (wasLost || Date.now() - heard > SILENT_MS)) show(true);
  }
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (source) source.close(); } else { heard = Date.now(); listen(); refresh(true); }
  });

  // -- orders: asked back, sent with the page's key, answered in words

  const ask = $("#ask");
  let ordering = null;
  // who gives one of these answers for it by name; some need a reason
  const judges = new Set(["review", "approve", "reject", "recalculate"]);
  const named = new Set([...judges, "send"]);

  function propose(button) {
    ordering = { kind: button.dataset.order, subject: button.dataset.subject, argument: "", title: button.dataset.title };
    $("#ask-title").textContent = button.dataset.title;
    $("#ask-what").textContent = button.dataset.what;
    $("#ask-number").hidden = ordering.kind !== "priority";
    $("#ask-value").value = button.dataset.argument || "0";
    $("#ask-judge").hidden = !named.has(ordering.kind);
    $("#ask-why").hidden = !judges.has(ordering.kind);
    $("#ask-person").required = named.has(ordering.kind);
    $("#ask-reason").required = ordering.kind === "reject" || ordering.kind === "recalculate";
    $("#ask-reason").value = "";
    ask.returnValue = "no";
    ask.showModal();
  }

  ask.addEventListener("close", async () => {
    if (ask.returnValue !== "yes" || !ordering) return;
    const { title, ...order } = ordering;
    if (order.kind === "priority") order.argument = $("#ask-value").value;
    if (judges.has(order.kind)) order.argument = $("#ask-reason").value.trim();
    if (named.has(order.kind)) order.person = $("#ask-person").value.trim();
    ordering = null;
    try {
      const answer = await fetch("/api/orders", {
        method: "POST",
        headers: { "content-type": "application/json", "x-mqi-page": $('meta[name="mqi-page"]').content },
        body: JSON.stringify(order),
      });
      const said = await answer.json();
      if (answer.ok) tell(ask.dataset.ordered.replace("{what}", title));
      else tell(ask.dataset.failed.replace("{why}", [said.error.what, said.error.remedy].filter(Boolean).join(" ")), true);
    } catch (error) { tell(ask.dataset.failed.replace("{why}", String(error)), true); }
  });

  let hush = 0;
  function tell(text, bad = false) {
    const told = $("#told");
    told.className = bad ? "told bad" : "told";
    told.textContent = text;
    clearTimeout(hush);
    hush = setTimeout(() => { told.textContent = ""; }, bad ? 12000 : 6000);
  }

  // -- an engine's log, as it grows

  async function follow(beam, from) {
    clearTimeout(logTimer);
    const panel = $("#log"), text = $("#log-text"), query = from === null ? "" : `?offset=${from}`;
    let next = from, wait = 1000;
    try {
      const answer = await fetch(`/api/cases/${encodeURIComponent(body.dataset.subject)}/log/${beam}${query}`);
      const said = await answer.json();
      if (panel.hidden || panel.dataset.beam !== String(beam)) return;
      if (answer.ok) {
        if (from === null || panel.dataset.attempt !== String(said.attempt)) { text.textContent = ""; if (from !== null && said.attempt !== Number(panel.dataset.attempt)) said.offset = null; }
        panel.dataset.attempt = said.attempt;
        if (said.text) text.append(said.text);
        if (text.textContent.length > 400000) text.textContent = text.textContent.slice(-300000);
        $("#log-state").textContent = `${beam} · ${said.growing ? panel.dataset.growing : panel.dataset.ended}${text.textContent ? "" : " · " + panel.dataset.empty}`;
        next = said.offset;
        wait = said.text && said.offset < said.size ? 50 : said.growing ? 1000 : 5000;
        if (said.text && $("#log-follow").checked) text.scrollTop = text.scrollHeight;
      } else { $("#log-state").textContent = [said.error.what, said.error.remedy].join(" "); wait = 3000; }
    } catch { wait = 3000; }
    logTimer = setTimeout(() => follow(beam, next), wait);
  }

  function toggleLog(button) {
    const panel = $("#log"), same = !panel.hidden && panel.dataset.beam === button.dataset.log;
    clearTimeout(logTimer);
    panel.hidden = same;
    panel.dataset.beam = same ? "" : button.dataset.log;
    panel.dataset.attempt = "";
    mark();
    if (!same) { $("#log-text").textContent = ""; follow(Number(button.dataset.log), null); panel.scrollIntoView({ block: "nearest" }); }
  }

  function mark() { // what the server cannot know of this browser
    const beam = $("#log") && $("#log").dataset.beam;
    for (const button of document.querySelectorAll("[data-log]")) button.setAttribute("aria-expanded", String(Boolean(beam) && button.dataset.log === beam));
  }

  // -- the list: search and filters without leaving the page

  function go(url) {
    history.replaceState(null, "", url);
    lastAsked = 0;
    refresh(true);
  }

  let typing = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search") return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const query = new URLSearchParams(location.search);
      query.delete("offset");
      if (event.target.value) query.set("search", event.target.value); else query.delete("search");
      go(`/?${query}`);
    }, 200);
  });
  document.addEventListener("submit", (event) => { if (event.target.getAttribute("role") === "search") event.preventDefault(); });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-order], [data-log], [data-help], a[data-filter], .list footer a");
    if (!target) return;
    if (target.dataset.order) propose(target);
    else if (target.dataset.log) toggleLog(target);
    else if ("help" in target.dataset) $("#help").showModal();
    else if (body.dataset.view === "home" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      go(target.getAttribute("href").split("#")[0]);
      $("#list").scrollIntoView({ block: "nearest" });
    }
  });

  // -- keys

  let at = -1;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea") || $("dialog[open]")) return;
    const rows = [...document.querySelectorAll("#list tbody a")];
    if (event.key === "/" && $("#search")) { event.preventDefault(); $("#search").focus(); $("#search").select(); }
    else if (event.key === "?") $("#help").showModal();
    else if (event.key === "h") location.href = "/";
    else if ((event.key === "j" || event.key === "k") && rows.length) {
      const now = rows.indexOf(document.activeElement);
      at = now < 0 ? (event.key === "j" ? 0 : rows.length - 1) : Math.min(Math.max(now + (event.key === "j" ? 1 : -1), 0), rows.length - 1);
      rows[at].focus();
    }
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && event.target.id === "search") event.target.blur(); });

  boot = $("#s-top") ? $("#s-top").dataset.boot : null;
  tick();
  listen();
})();
