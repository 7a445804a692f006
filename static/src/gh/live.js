/* Live pages: the socket says what changed, the page fetches it again over HTTP, where permission is checked.
   An element says which subjects change it: data-live="story:SHOP-1 task:SHOP-1.* approval:*". Whatever is dirty is taken
   from one fetch of this page, at most four times a second, and morphed in place by id. A run's log is fetched by its
   last line. The position of what the page shows travels with it, so a reconnection misses nothing. */
(function () {
  "use strict";
  var GAP = 250, LOG_GAP = 1500, FIRST_RETRY = 500, LAST_RETRY = 15000, OFFLINE_AFTER = 5;
  var body = document.body, position = Number(body.dataset.position) || 0;
  var socket = null, tries = 0, retry = null;
  var due = new Map(), shown = new Map(), timer = null, fetching = false, last = 0;

  /* which elements a subject changes ---------------------------------------- */
  function matches(pattern, subject) {
    return pattern.slice(-1) === "*" ? subject.indexOf(pattern.slice(0, -1)) === 0 : subject === pattern;
  }
  function touched(subject) {
    return Array.prototype.filter.call(document.querySelectorAll("[data-live][id]"), function (element) {
      return element.dataset.live.split(" ").some(function (pattern) { return pattern && matches(pattern, subject); });
    });
  }
  /* an element may say that it need not follow faster: data-live-every="3000" */
  function soil(element) {
    var every = Number(element.dataset.liveEvery) || 0, from = (shown.get(element.id) || 0) + every;
    if (!due.has(element.id)) { due.set(element.id, Math.max(Date.now(), from)); }
  }
  function mark(subject) {
    touched(subject).forEach(soil);
    document.querySelectorAll("[data-log-url]").forEach(function (log) {
      if (matches(log.dataset.logLive, subject)) { log.dataset.logDirty = "yes"; }
    });
    plan();
  }

  /* fetching what is dirty ---------------------------------------------------- */
  function plan() {
    var first = Math.min.apply(null, Array.from(due.values()));
    if (document.querySelector("[data-log-dirty]")) { first = Date.now(); }
    if (fetching || first === Infinity) { return; }
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(0, first - Date.now(), GAP - (Date.now() - last)));
  }
  function refresh() {
    var now = Date.now(), ids = Array.from(due.keys()).filter(function (id) { return due.get(id) <= now; });
    ids.forEach(function (id) { due.delete(id); shown.set(id, now); });
    timer = null; fetching = true; last = now;
    Promise.all([ids.length ? fetchPage(ids) : null, fetchLogs()]).catch(function () {
      ids.forEach(function (id) { due.set(id, Date.now() + FIRST_RETRY); });
    }).finally(function () { fetching = false; plan(); });
  }
  function get(url) {
    return fetch(url, { headers: { "X-Guildhall-Live": "1" }, credentials: "same-origin", redirect: "error" }).then(function (answer) {
      if (answer.status >= 500) { throw new Error("the server is away"); }
      return answer;
    });
  }
  function fetchPage(ids) {
    return get(location.pathname + location.search).then(function (answer) { return answer.text(); }).then(function (text) {
      var fresh = new DOMParser().parseFromString(text, "text/html");
      ids.forEach(function (id) {
        var old = document.getElementById(id), now = fresh.getElementById(id);
        if (!old) { return; }
        if (!now) { if (!old.hasAttribute("data-live-own")) { old.remove(); } return; }
        window.Idiomorph.morph(old, now, { ignoreActiveValue: true, callbacks: keep });
        window.htmx.process(document.getElementById(id));
      });
      document.dispatchEvent(new CustomEvent("gh:live", { detail: { ids: ids } }));
    });
  }

  /* what a reader has done to an element stays: what was typed, opened or scrolled --- */
  var keep = {
    beforeNodeMorphed: function (old) {
      if (old.nodeType !== 1) { return true; }
      if (old.matches("textarea,input:not([type=hidden]):not([type=checkbox]):not([type=radio])")) { return old.value === old.defaultValue; }
      if (old.matches("input[type=checkbox],input[type=radio]")) { return old.checked === old.defaultChecked; }
      return !old.hasAttribute("data-live-own");
    },
    beforeAttributeUpdated: function (name, element) {
      if (name === "open" && element.matches("details,dialog")) { return false; }
      return !(name === "aria-expanded" || (name === "class" && element.matches(".show,.is-sel")));
    }
  };

  /* logs: only the lines after the last one; an open run is asked again even when nothing was announced ---------- */
  function fetchLogs() {
    return Promise.all(Array.from(document.querySelectorAll("[data-log-dirty]"), fetchLog));
  }
  function fetchLog(log) {
    delete log.dataset.logDirty;
    var last = log.lastElementChild ? log.lastElementChild.dataset.id : 0;
    return get(log.dataset.logUrl + "?after=" + last).then(function (answer) {
      if (answer.headers.get("X-Run-Open") !== "yes") { log.removeAttribute("data-log-open"); }
      return answer.text();
    }).then(function (text) {
      var known = new Set(Array.from(log.children, function (line) { return line.dataset.id; }));
      new DOMParser().parseFromString("<ol>" + text + "</ol>", "text/html").querySelectorAll("li").forEach(function (line) {
        if (!known.has(line.dataset.id)) { log.append(line); }
      });
      window.Guildhall.follow(log.closest("[data-log]"));
    });
  }
  setInterval(function () {
    if (document.hidden) { return; }
    document.querySelectorAll("[data-log-open]").forEach(function (log) { log.dataset.logDirty = "yes"; });
    plan();
  }, LOG_GAP);

  function everything() {
    document.querySelectorAll("[data-live][id]").forEach(soil);
    document.querySelectorAll("[data-log-url]").forEach(function (log) { log.dataset.logDirty = "yes"; });
    plan();
  }

  /* the connection; the dot tells the truth ------------------------------------ */
  function show(tone, words) {
    var state = document.getElementById("live-state");
    if (!state) { return; }
    state.className = "gh-live " + tone;
    state.querySelector("[data-live-words]").textContent = words;
  }
  function connect() {
    clearTimeout(retry);
    socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws/portal/");
    socket.onopen = function () { socket.send(JSON.stringify({ after: position })); };
    socket.onmessage = function (event) {
      var message = JSON.parse(event.data);
      tries = 0;
      show("t-ok", "Live");
      if (message.position > position) { position = message.position; }
      if (message.refetch) { everything(); }
      if (message.subject) { mark(message.subject); }
    };
    socket.onclose = function (event) {
      if (event.code === 4403) { show("t-bad", "Signed out"); return; }
      tries += 1;
      show(tries > OFFLINE_AFTER || navigator.onLine === false ? "t-bad" : "t-wait", tries > OFFLINE_AFTER || navigator.onLine === false ? "Offline" : "Reconnecting");
      retry = setTimeout(connect, Math.min(LAST_RETRY, FIRST_RETRY * Math.pow(2, tries - 1)) * (0.75 + Math.random() / 2));
    };
  }
  window.addEventListener("online", function () { if (!socket || socket.readyState > 1) { connect(); } });
  window.addEventListener("pagehide", function () { if (socket) { socket.onclose = null; socket.close(); } });
  window.addEventListener("pageshow", function (event) { if (event.persisted) { connect(); } });
  if (document.querySelector("[data-live],[data-log-url]")) { connect(); } else { show("t-idle", ""); }
})();
