/* Panels of the console that tell of this moment are fetched anew every few seconds, as long as somebody can see them:
   <div id="board" data-refresh="5000">. Where the answer is another page (the session has ended), the page is loaded anew. */
(function () {
  "use strict";
  function refresh(panel) {
    return fetch(location.href, { credentials: "same-origin" }).then(function (answer) { return answer.ok ? answer.text() : null; }).then(function (text) {
      if (text === null) { return; }
      var now = new DOMParser().parseFromString(text, "text/html").getElementById(panel.id);
      if (!now) { location.reload(); return; }
      var focused = panel.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      panel.replaceChildren.apply(panel, Array.from(now.childNodes));
      Array.prototype.some.call(panel.querySelectorAll("a[href]"), function (link) {
        if (focused !== null && link.getAttribute("href") === focused) { link.focus({ preventScroll: true }); return true; }
        return false;
      });
    }).catch(function () {});
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-refresh][id]").forEach(function (panel) {
      var busy = false;
      function look() {
        if (busy || document.hidden || String(window.getSelection()) !== "") { return; }
        busy = true;
        refresh(panel).finally(function () { busy = false; });
      }
      setInterval(look, Number(panel.dataset.refresh));
      document.addEventListener("visibilitychange", look);
    });
  });
})();
