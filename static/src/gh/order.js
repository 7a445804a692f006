/* Rows that are put into an order by dragging: the row goes before the one that it is dropped on the upper half of, behind
   it on the lower half. The server keeps the order; the buttons in the rows do the same without a mouse. */
(function () {
  "use strict";
  var held = null, mark = null;
  var rowOf = function (element) { return element && element.closest ? element.closest("tr[data-place]") : null; };
  function clear() { if (mark) { mark.classList.remove("is-before", "is-after"); mark = null; } }
  function lower(row, event) { var box = row.getBoundingClientRect(); return event.clientY > box.top + box.height / 2; }
  function next(row) { var after = row.nextElementSibling; return after === held ? after.nextElementSibling : after; }

  document.addEventListener("dragstart", function (event) {
    var row = rowOf(event.target); if (!row) { return; }
    held = row; row.classList.add("is-held");
    row.closest("[data-live]").setAttribute("data-live-own", "");
    event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", row.dataset.place);
  });
  document.addEventListener("dragover", function (event) {
    var row = held && rowOf(event.target); if (!row) { return; }
    event.preventDefault(); event.dataTransfer.dropEffect = "move";
    clear(); if (row !== held) { mark = row; row.classList.add(lower(row, event) ? "is-after" : "is-before"); }
  });
  document.addEventListener("drop", function (event) {
    var row = held && rowOf(event.target); if (!row || row === held) { return; }
    event.preventDefault();
    var before = lower(row, event) ? next(row) : row, form = document.getElementById("order-form");
    form.elements.story.value = held.dataset.place;
    form.elements.before.value = before ? before.dataset.place : "";
    form.requestSubmit();
  });
  document.addEventListener("dragend", function () {
    if (!held) { return; }
    clear(); held.classList.remove("is-held"); held.closest("[data-live]").removeAttribute("data-live-own"); held = null;
  });
})();
