// Puts the page together: three columns that show one state.
import { hasToken } from "./api.js";
import * as commands from "./commands.js";
import { el, say, toast } from "./dom.js";
import * as microphone from "./microphone.js";
import { follow, watch } from "./state.js";
import { choose, language, LANGUAGES, t } from "./strings.js";
import * as train from "./train.js";
import * as trying from "./try.js";

document.documentElement.lang = language;

const notices = document.getElementById("notices");
const place = document.getElementById("connection");

for (const [name, text] of Object.entries(LANGUAGES)) {
  const button = el("button", { type: "button", class: "small", lang: name, "aria-pressed": String(name === language), onclick: () => choose(name) }, text);
  document.getElementById("language").append(button);
}
document.getElementById("language").setAttribute("aria-label", t("language"));

function notice(...children) {
  notices.append(el("div", { class: "notice", role: "note" }, ...children));
}

// A browser gives no microphone here: what can be done about it, in place of buttons that do nothing.
function tellOfMicrophone() {
  const port = location.port || "80";
  notice(
    el("h2", {}, t("insecure.title")),
    el("p", {}, t("insecure.reason", { origin: location.origin })),
    el("p", {}, t("insecure.tunnel", { port })),
    el("pre", {}, `ssh -L ${port}:localhost:${port} ${location.hostname}`),
    el("p", {}, t("insecure.tls")),
    el("pre", {}, `speechtune studio --tls --address 0.0.0.0:${port}`),
  );
}

let isConnected = null;

function connection(is, reason) {
  if (is === isConnected) return;
  if (is && isConnected === false) toast(t("connection.back"));
  isConnected = is;
  document.body.classList.toggle("lost", !is);
  say(place, is ? "" : reason || t("connection.lost"));
}

if (!hasToken) {
  notice(el("p", {}, t("error.token")));
} else {
  if (!microphone.isAllowed()) tellOfMicrophone();
  for (const [name, column] of Object.entries({ commands, train, try: trying })) {
    column.mount(document.getElementById(name));
    watch(column.render);
  }
  watch((state) => {
    if (state.folder) say(document.getElementById("folder"), t("folder", { folder: state.folder }));
    if (state.error) toast(state.error, 15);
  });
  follow(connection);
}

addEventListener("hashchange", () => location.reload());
