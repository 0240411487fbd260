// The board takes what it shows from itself, anew; between, its clock goes on, in the time of the place where it hangs. While
// nothing answers it shows what it knows: no visitor is there to load it again.
document.addEventListener("DOMContentLoaded", () => {
const tick = () => {
  document.getElementById("clock").textContent =
    new Date().toLocaleTimeString(document.documentElement.lang, { hour: "numeric", minute: "2-digit" });
};
const load = async () => {
  // A network that has fallen silent would hold the next try up.
  const abort = new AbortController(), patience = setTimeout(() => abort.abort(), 15000);
  try {
    const answer = await fetch(location.href, { signal: abort.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = page.querySelector(".board main");
    if (news) document.querySelector("main").replaceWith(news);
  } catch (e) {
    // The next try is soon.
  }
  clearTimeout(patience);
  tick();
  setTimeout(load, 5000);
};
tick();
setInterval(tick, 1000);
setTimeout(load, 5000);
});
