// The overview: one frame for each page that was chosen, and all of them anew when the files have changed.
"use strict";

const $ = (id) => document.getElementById(id);
const choice = $("choice").elements;
/* A page is drawn at its own size, and made smaller to no more than this. */
const WIDTH_MAX = 400;
/* Each frame is a page that runs. */
const FRAMES_MAX = 600;
let about;

function offer(select, options, wanted) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = wanted;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/* What is chosen stands in the address, so that it can be kept and passed on. */
function offerAll() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const queues = about.queues.map(({ tenant, queue }) => [tenant + "/" + queue, tenant + " / " + queue]);
  offer(choice.queue, queues, wanted.get("queue"));
  offer(choice.example, [["all", "all"], ...about.examples], wanted.get("example") || "all");
  const languages = about.languages.map(([tag, name]) => [tag, name + " (" + tag + ")"]);
  offer(choice.language, [["", "the tenant's"], ["all", "all"], ...languages], wanted.get("language") || "");
  for (const name of ["theme", "size"]) {
    if (wanted.get(name)) choice[name].value = wanted.get(name);
    if (choice[name].selectedIndex < 0) choice[name].selectedIndex = 0;
  }
}

/* What a choice stands for: itself, or all there is. */
function each(select, all) {
  return select.value === "all" ? all : [select.value];
}

function frame([example, title], language, theme, size) {
  const [width, height] = size.split("x").map(Number);
  const scale = Math.min(1, WIDTH_MAX / width);
  const address = "/page/" + choice.queue.value + "/" + example + "?"
    + new URLSearchParams(language ? { theme, language } : { theme });
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.textContent = title;
  caption.append(link, " " + [language, theme, size.replace("x", " × ")].filter(Boolean).join(", "));
  const screen = document.createElement("div");
  screen.className = "screen";
  screen.style.width = width * scale + "px";
  screen.style.height = height * scale + "px";
  const page = document.createElement("iframe");
  page.loading = "lazy";
  page.title = title + ", " + caption.lastChild.textContent.trim();
  page.width = width;
  page.height = height;
  page.style.transform = "scale(" + scale + ")";
  page.src = address;
  screen.append(page);
  figure.append(caption, screen);
  return figure;
}

function draw() {
  const sizes = [...choice.size.options].map((option) => option.value).filter((value) => value !== "all");
  const examples = about.examples.filter(([name]) => choice.example.value === "all" || choice.example.value === name);
  const frames = [];
  let count = 0;
  for (const example of examples) {
    for (const language of each(choice.language, about.languages.map(([tag]) => tag))) {
      for (const theme of each(choice.theme, ["light", "dark"])) {
        for (const size of each(choice.size, sizes)) {
          count += 1;
          if (count <= FRAMES_MAX) frames.push(frame(example, language, theme, size));
        }
      }
    }
  }
  $("pages").replaceChildren(...frames);
  $("count").textContent = count + (count === 1 ? " page" : " pages")
    + (count > FRAMES_MAX ? ", of which the first " + FRAMES_MAX + " are shown" : "");
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(about ? "/content?known=" + about.version : "/content");
      const news = await answer.json();
      if (!about || news.version !== about.version) {
        about = news;
        $("mistakes").hidden = !about.mistakes;
        $("mistakes").textContent = about.mistakes;
        offerAll();
        draw();
      }
    } catch (e) {
      $("count").textContent = "The preview has been stopped.";
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

$("choice").onchange = () => {
  const chosen = ["queue", "example", "language", "theme", "size"].map((name) => [name, choice[name].value]);
  history.replaceState(null, "", "#" + new URLSearchParams(chosen));
  draw();
};
follow();
