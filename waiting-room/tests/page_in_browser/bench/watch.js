// Runs in the page before its own script and writes down what the visitor would notice: every poll
// and every change of what is shown, with the time since the page began.
(() => {
  const began = Date.now();
  const log = [];
  const sheet = document.createElement("pre");
  sheet.id = "log";
  const note = (entry) => {
    log.push(Object.assign({ at_ms: Date.now() - began }, entry));
    sheet.textContent = JSON.stringify(log);
  };

  window.noteInLog = note;
  history.back = () => note({ went_back: true });

  let inFlight = 0;
  const fetch = window.fetch;
  window.fetch = async (...request) => {
    inFlight += 1;
    note({ polls_in_flight: inFlight });
    try {
      if (window.answersAfterMs) {
        await new Promise((done, failed) => {
          setTimeout(done, window.answersAfterMs);
          request[1].signal.onabort = failed;
        });
      }
      return await fetch(...request);
    } finally {
      inFlight -= 1;
    }
  };

  const text = (id) => {
    const at = document.getElementById(id);
    return at && !at.closest("[hidden]") ? at.textContent : null;
  };
  let last;
  const look = () => {
    const progress = document.getElementById("progress");
    const shown = {
      title: document.title,
      heading: text("heading"),
      text: text("text"),
      ahead: text("ahead"),
      wait: text("wait"),
      reason: text("reason"),
      cookies: document.body.dataset.state === "cookies" ? text("text") : null,
      offline: text("offline"),
      back: text("back"),
      enter: text("enter"),
      left: text("left-label") && (text("left-label") + " " + text("left")).trim(),
      pause: text("pause"),
      along: text("along"),
      icon: (document.querySelector("link[rel=icon]") || {}).href,
      live: text("live"),
      progress: progress && progress.value,
    };
    if (JSON.stringify(shown) === last) return;
    last = JSON.stringify(shown);
    note({ shown });
  };
  addEventListener("DOMContentLoaded", () => {
    document.documentElement.append(sheet);
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(look).observe(document.head, all);
    new MutationObserver(look).observe(document.body, all);
    look();
  });
  // Whatever moves on the page without the visitor's doing.
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) note({ shifted: shift.value, moved: shift.sources.map((s) => s.node && (s.node.id || s.node.className || s.node.nodeName || s.node.textContent)).join() });
  }).observe({ type: "layout-shift", buffered: true });
  // How long each document of this visit lived; the log itself does not outlive one.
  addEventListener("pagehide", () => {
    const lived = JSON.parse(sessionStorage.getItem("lived") || "[]");
    sessionStorage.setItem("lived", JSON.stringify(lived.concat(Math.round(performance.now()))));
  });
  addEventListener("securitypolicyviolation", (event) => note({ blocked: event.blockedURI }));
})();
