// The board takes what it shows from itself, anew; between, its clock goes on, in the time of the place where it hangs. While
// nothing answers it shows what it knows: no visitor is there to load it again.
document.addEventListener("DOMContentLoaded", () => {
const tick = () => {
  document.getElementById("clock").textContent =
    new Date().toLocaleTimeString(document.documentElement.lang, { hour: "numeric", minute: "2-digit" });
};
const load = async () => {
  try {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const news = page.querySelector(".board main");
    if (news) document.querySelector("main").replaceWith(news);
  } catch (e) {
    // The next try is soon.
  }
  tick();
  setTimeout(load, 5000);
};
tick();
setInterval(tick, 1000);
setTimeout(load, 5000);
});
