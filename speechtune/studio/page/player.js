// One sound at a time.
import { toast } from "./dom.js";

const audio = new Audio();
let playing = null;

export function play(address, button) {
  playing?.classList.remove("playing");
  if (playing === button && !audio.paused) {
    audio.pause();
    playing = null;
    return;
  }
  playing = button;
  button.classList.add("playing");
  audio.src = address;
  audio.onended = () => button.classList.remove("playing");
  audio.play().catch((error) => {
    button.classList.remove("playing");
    if (error.name !== "AbortError") toast(error.message);
  });
}
