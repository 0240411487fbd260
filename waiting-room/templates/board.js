// The board loads itself anew; between, its clock goes on, in the time of the place where it hangs.
document.addEventListener("DOMContentLoaded", () => {
const clock = document.getElementById("clock");
const tick = () => {
  clock.textContent = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "numeric", minute: "2-digit" });
};
tick();
setInterval(tick, 1000);
});
