/* Moving stories on the board, by mouse and by keyboard. The server decides; a refusal is said in its words and the card
   goes back. While a card is held or on its way, nothing else changes the board (data-live-own); afterwards it is fetched
   anew, whatever came of it. */
(function () {
  "use strict";
  var held = null, sending = 0, asked = 0;
  var $ = function (id) { return document.getElementById(id); };
  var board = function () { return $("board"); };
  var lanes = function () { return Array.prototype.slice.call(document.querySelectorAll("#board [data-state]")); };
  var laneOf = function (element) { return element && element.closest ? element.closest("#board [data-state]") : null; };
  var cardOf = function (element) { return element && element.closest ? element.closest("#board [data-story][draggable]") : null; };

  function say(words) { var place = $("board-says"); place.textContent = ""; place.textContent = words; }
  function toast(template, words) {
    var made = $(template).content.firstElementChild.cloneNode(true);
    made.querySelector("[data-words]").textContent = words;
    $("toasts").append(made);
    if (template === "board-moved") { fade(made); }
    return made;
  }
  /* gone after 8 s, but not from under the pointer or the focus */
  function fade(made) {
    setTimeout(function () { if (made.matches(":hover, :focus-within")) { fade(made); } else { made.remove(); } }, 8000);
  }

  /* holding and letting go ------------------------------------------------------------- */
  function pick(card) {
    var from = laneOf(card);
    held = { card: card, from: from, over: from, can: from.dataset.to.split(" ").filter(Boolean) };
    board().classList.add("is-moving");
    board().setAttribute("data-live-own", "");
    card.classList.add("is-held");
    lanes().forEach(function (lane) { lane.classList.toggle("can-take", held.can.indexOf(lane.dataset.state) >= 0); });
  }
  function over(lane) {
    if (!held || held.over === lane) { return; }
    if (held.over) { held.over.classList.remove("is-over"); }
    held.over = lane;
    if (lane) { lane.classList.add("is-over"); lane.scrollIntoView({ block: "nearest", inline: "nearest" }); }
  }
  function leave() {
    if (!held) { return; }
    held.card.classList.remove("is-held");
    lanes().forEach(function (lane) { lane.classList.remove("can-take", "is-over"); });
    board().classList.remove("is-moving");
    held = null;
  }
  function settle() { if (!held && !sending && board()) { board().removeAttribute("data-live-own"); } }

  /* asking the server ------------------------------------------------------------------- */
  function drop() {
    var move = { card: held.card, from: held.from, to: held.over };
    leave();
    if (!move.to || move.to === move.from) { say("It stays in “" + move.from.dataset.label + "”."); refresh(); return; }
    var list = move.to.querySelector("ul");
    move.home = move.card.parentNode; move.next = move.card.nextSibling;
    if (list) { list.prepend(move.card); }
    move.card.classList.add("is-sending"); sending += 1;
    send(move, {});
  }
  function arrive(move) { move.card.classList.remove("is-sending"); sending -= 1; }
  function send(move, more) {
    var sent = Object.assign({ to: move.to.dataset.state, version: move.card.dataset.version }, more);
    post(move.card.dataset.story, sent).then(function (told) {
      if (told.moved) { done(move, told); } else if (told.asks) { ask(move, told); } else { back(move, told.detail); }
    }, function () { back(move, "The server could not be reached; nothing was moved. Try again."); });
  }
  function done(move, told) {
    arrive(move);
    move.card.dataset.version = told.version;
    var made = toast("board-moved", told.detail), undo = made.querySelector("[data-undo]");
    if (told.undo) {
      undo.hidden = false;
      undo.addEventListener("click", function () { made.remove(); takeBack(move.card.dataset.story, told); });
    }
    say(told.detail + (told.undo ? " U takes it back." : ""));
    refresh(move.card.dataset.story);
  }
  function post(story, sent) {
    return fetch("/stories/" + story + "/move/", {
      method: "POST", body: new URLSearchParams(sent), credentials: "same-origin", redirect: "error",
      headers: { "X-CSRFToken": $("board-token").querySelector("input").value }
    }).then(function (answer) { return answer.json(); });
  }
  /* a move of its own: refused when somebody has moved the story on meanwhile */
  function takeBack(story, told) {
    post(story, { to: told.undo, version: told.version, undo: told.undo_key }).then(function (then) {
      toast(then.moved ? "board-moved" : "board-refused", then.detail); say(then.detail);
      refresh(story);
    }).catch(function () { toast("board-refused", "The server could not be reached; nothing was taken back. Try again."); });
  }
  /* to where it was, before the card that followed it if that one is still there; then to where the server has it */
  function back(move, why) {
    var story = move.card.dataset.story;
    arrive(move);
    move.home.insertBefore(move.card, move.next && move.next.parentNode === move.home ? move.next : null);
    follow(move.card.querySelector("a.ti"));
    if (why) { toast("board-refused", why); }
    refresh(story).then(function () {
      var lane = laneOf($("story-" + story));
      if (!held) { say((why ? why + " " : "") + (lane ? "It is in “" + lane.dataset.label + "”." : "")); }
    });
  }
  function ask(move, told) {
    if (told.asks[0] === "page") { location.href = told.page; return; }
    var dialog = $("move-dialog"), why = $("move-feedback"), reason = told.asks[0] === "feedback";
    if (dialog.open) { dialog.addEventListener("close", function () { ask(move, told); }, { once: true }); return; }
    $("move-title").textContent = told.title; $("move-words").textContent = told.detail; $("move-yes").textContent = told.label;
    $("move-why").hidden = !reason; why.required = reason; why.value = "";
    dialog.returnValue = "no";
    dialog.onclose = function () {
      if (dialog.returnValue === "yes") { send(move, reason ? { feedback: why.value, confirm: "yes" } : { confirm: "yes" }); } else { back(move, ""); }
    };
    dialog.showModal(); (reason ? why : $("move-no")).focus();
  }
  /* of several that are on their way only the last one says how things are, and none while a card is held or on its way */
  function refresh(story) {
    var number = ++asked;
    return fetch(location.href, { credentials: "same-origin", redirect: "error", headers: { "X-Guildhall-Live": "1" } }).then(function (answer) {
      if (!answer.ok) { throw new Error("the page is not to be had"); }
      return answer.text();
    }).then(function (text) {
      settle();
      if (held || sending || number !== asked) { return; }
      var fresh = new DOMParser().parseFromString(text, "text/html");
      ["board", "parked"].forEach(function (id) {
        var old = $(id), now = fresh.getElementById(id);
        if (!old) { return; }
        if (!now) { old.remove(); return; }
        window.Idiomorph.morph(old, now); window.htmx.process($(id));
      });
      if (story) { follow(document.querySelector("#story-" + story + " a.ti")); }
    }).catch(settle);
  }
  /* the moved card keeps the focus, unless the reader is somewhere else by now, be it at another card */
  function follow(link) {
    var at = document.activeElement;
    if (link && (!at || at === document.body || cardOf(at) === cardOf(link))) { link.focus({ preventScroll: true }); }
  }

  /* mouse ------------------------------------------------------------------------------ */
  document.addEventListener("dragstart", function (event) {
    var card = cardOf(event.target); if (!card) { return; }
    if (card.matches(".is-sending")) { event.preventDefault(); return; }
    event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", card.dataset.story);
    pick(card);
  });
  document.addEventListener("dragover", function (event) {
    if (!held) { return; }
    var lane = laneOf(event.target); over(lane);
    if (lane) { event.preventDefault(); event.dataTransfer.dropEffect = "move"; }
  });
  document.addEventListener("drop", function (event) { if (held && laneOf(event.target)) { event.preventDefault(); drop(); } });
  document.addEventListener("dragend", function () { if (held) { leave(); refresh(); } });

  /* keyboard ---------------------------------------------------------------------------- */
  function place(lane) {
    var can = held.can.indexOf(lane.dataset.state) >= 0, home = lane === held.from;
    say("Over “" + lane.dataset.label + "”" + (home ? ", where it is now." : can ? ". Enter puts it down here." : ". No act of yours leads there from here."));
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (!held && event.key === "u" && window.Guildhall.singleKeys(event)) {
      var offered = document.querySelectorAll("#toasts [data-undo]:not([hidden])");
      if (offered.length) { event.preventDefault(); offered[offered.length - 1].click(); }
      return;
    }
    if (!held) {
      var card = event.key === " " && !event.target.closest("button,input,textarea,select,summary") ? cardOf(event.target) : null;
      if (!card) { return; }
      event.preventDefault();
      if (card.matches(".is-sending")) { say(card.dataset.story + " is on its way."); return; }
      pick(card); held.keys = true; held.over = null; over(held.from);
      var names = lanes().filter(function (lane) { return held.can.indexOf(lane.dataset.state) >= 0; }).map(function (lane) { return lane.dataset.label; });
      say("Picked up " + card.dataset.story + ". " + (names.length ? "It may go to " + names.join(", ") + "." : "You may move it nowhere from here."));
      return;
    }
    var step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      var all = lanes(), next = all[(all.indexOf(held.over) + step + all.length) % all.length];
      event.preventDefault(); event.stopPropagation(); over(next); place(next);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault(); event.stopPropagation(); drop();
    } else if (event.key === "Escape" || event.key === "Tab") {
      var from = held.from.dataset.label; leave(); refresh(); say("Cancelled. It stays in “" + from + "”.");
    }
  }, true);
  document.addEventListener("click", function (event) { var b = event.target.closest("[data-dismiss-toast]"); if (b) { b.closest(".gh-toast").remove(); } });
})();
