/* Names under an @ while a comment is being written: arrows choose, Enter or Tab takes, Escape closes. */
(function () {
  "use strict";
  var list = null, field = null, asked = 0;
  function begun(area) {
    var found = /(^|[\s(])@([A-Za-z0-9_-]{0,40})$/.exec(area.value.slice(0, area.selectionStart));
    return found ? found[2] : null;
  }
  function close() { if (list) { list.remove(); list = null; } if (field) { field.removeAttribute("aria-activedescendant"); } }
  function options() { return list ? Array.prototype.slice.call(list.children) : []; }
  function select(option) {
    options().forEach(function (o) { o.setAttribute("aria-selected", String(o === option)); });
    field.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" });
  }
  function take(option) {
    var at = field.selectionStart, before = field.value.slice(0, at).replace(/@[A-Za-z0-9_-]{0,40}$/, "@" + option.dataset.handle + " ");
    field.value = before + field.value.slice(at); field.setSelectionRange(before.length, before.length); close(); field.focus();
  }
  function show(people) {
    close(); if (!people.length) { return; }
    list = document.createElement("div"); list.className = "gh-mention-list"; list.id = "mention-list";
    list.setAttribute("role", "listbox"); list.setAttribute("aria-label", "People and agents");
    people.forEach(function (who, number) {
      var option = document.createElement("div"), handle = document.createElement("small");
      option.id = "mention-" + number; option.dataset.handle = who.handle; option.setAttribute("role", "option");
      option.textContent = who.name; handle.textContent = "@" + who.handle + (who.kind === "agent" ? ", agent" : ""); option.append(handle);
      list.append(option);
    });
    field.closest(".gh-mention").append(list);
    field.setAttribute("aria-controls", "mention-list"); select(list.firstElementChild);
  }
  document.addEventListener("input", function (event) {
    if (!event.target.matches("textarea[data-mentions]")) { return; }
    field = event.target;
    var text = begun(field), number = ++asked;
    if (text === null) { close(); return; }
    fetch(field.dataset.mentions + "?q=" + encodeURIComponent(text), { credentials: "same-origin" }).then(function (answer) { return answer.json(); }).then(function (told) {
      if (number === asked && begun(field) === text) { show(told.people); }
    }).catch(close);
  });
  document.addEventListener("keydown", function (event) {
    if (!list || event.target !== field) { return; }
    var all = options(), at = all.findIndex(function (o) { return o.getAttribute("aria-selected") === "true"; });
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); select(all[(at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]); }
    if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); take(all[at]); }
    if (event.key === "Escape") { event.stopPropagation(); close(); }
  });
  document.addEventListener("mousedown", function (event) { var option = event.target.closest("#mention-list [role=option]"); if (option) { event.preventDefault(); take(option); } });
  document.addEventListener("focusout", function (event) { if (event.target === field) { setTimeout(close, 100); } });
})();
