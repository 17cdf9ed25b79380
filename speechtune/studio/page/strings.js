// What the page says, in English and Korean. {name} stands for a value.
import { english } from "./strings-en.js";
import { korean } from "./strings-ko.js";

export const LANGUAGES = { en: "English", ko: "한국어" };
const TABLES = { en: english, ko: korean };
const KEPT = "speechtune-studio-language";

export const language = chosen();

function chosen() {
  const kept = localStorage.getItem(KEPT);
  return kept in TABLES ? kept : navigator.language.startsWith("ko") ? "ko" : "en";
}

export function choose(name) {
  localStorage.setItem(KEPT, name);
  location.reload();
}

export const has = (key) => key in TABLES[language];

export function t(key, values = {}) {
  const text = TABLES[language][key] ?? english[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// 0.938 -> "94 %"; the space does not break.
export const percent = (share) => `${Math.round(100 * share)} %`;
export const score = (value) => (value > 0.995 && value < 1 ? "0.99" : value.toFixed(2));

// A label as a person reads it.
export const labelName = (label) => (has(`label.${label}`) ? t(`label.${label}`) : label);
